// networking.k8s.io/v1 NetworkPolicy to rules. Nothing that is stored can make this throw: an object may be older than its
// validation. A part that the API would not take is reported, and read so that less is allowed than was meant, never more:
// - a peer, port or rule that cannot be read matches nothing; those beside it hold;
// - a requirement of podSelector that cannot be read leaves open which pods were meant. All that it could be are isolated,
//   and none is opened: opened to the wrong pod, a rule would weaken the policies that isolate that pod;
// - where policyTypes cannot be read, directions that it does not name surely are isolated, and nothing is opened in them.
import type { Protocol } from "../../api/kinds/core.ts";
import {
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
  STAGE_ANNOTATION,
} from "../../api/kinds/network-policy.ts";
import { keyOf } from "../../api/object.ts";
import { whyNotPortName } from "../../api/words.ts";
import { Interned } from "../../base/interned.ts";
import { ipv4Ends } from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";
import { readBlock } from "./block.ts";
import { allPorts, type PortSet, portRange, protocolPorts, unionPorts } from "./port-set.ts";
import { PackedRanges } from "./ranges.ts";
import { readSelector, readWidest, selectEverything } from "./selector.ts";
import type { CompiledPolicy, Direction, NamedPort, Peer, Rule } from "./types.ts";

type Report = (path: string, message: string) => void;

/** How a policy governs a direction: by its rules, or, where it may not have been meant so, by isolating alone. */
type Governs = "rules" | "shut";

/** What a policy's spec says, wherever the policy is: of the policy's own namespace it does not know the name. */
type CompiledSpec = Pick<CompiledPolicy, "subject" | "ingress" | "egress" | "problems">;

/** Of specs that nobody can change: a large cluster has the same few in every namespace, each as one object. */
const knownSpecs = new WeakMap<object, CompiledSpec>();

/** Returns the policy's rules. */
export function compilePolicy(policy: NetworkPolicy): CompiledPolicy {
  const { name, namespace = "default", annotations } = policy.metadata;
  const { subject, ingress, egress, problems } = compiledSpec(policy.spec ?? {});
  const stage = annotations?.[STAGE_ANNOTATION];
  const wrong = stage !== undefined && stage !== "true" && stage !== "false";
  return {
    key: keyOf({ metadata: { name, namespace } }),
    name,
    namespace,
    priority: 0,
    subject,
    ingress,
    egress,
    problems: wrong ? [unclearStage(stage), ...problems] : problems,
  };
}

function unclearStage(stage: string): Problem {
  const message = `${STAGE_ANNOTATION} is '${stage}'; it must be 'true' or 'false', and the policy is enforced`;
  return { code: "policy.invalid", path: "metadata.annotations", message };
}

function compiledSpec(whole: unknown): CompiledSpec {
  if (!isObject(whole) || !Object.isFrozen(whole)) return compileSpec(whole);
  const known = knownSpecs.get(whole);
  if (known !== undefined) return known;
  const compiled = compileSpec(whole);
  knownSpecs.set(whole, compiled);
  return compiled;
}

function compileSpec(whole: unknown): CompiledSpec {
  const problems: Problem[] = [];
  const report: Report = (path, message) => {
    problems.push({ code: "policy.invalid", path, message });
  };
  const spec = isObject(whole) ? whole : {};
  if (!isObject(whole)) report("spec", "it must be an object; every pod of its namespace is isolated");
  const subject = readWidest(spec["podSelector"]);
  for (const why of subject.wrong)
    report("spec.podSelector", `${why}; every pod that it could mean is isolated, and nothing is allowed`);
  const types = isObject(whole) ? directionsOf(spec, report) : bothShut;
  const read = (direction: Direction): readonly Rule[] | undefined => {
    // Read also where they govern nothing, for what is wrong with them.
    const rules = readRules(spec[direction], direction, report);
    const governs = types.get(direction);
    if (governs === undefined) return undefined;
    return governs === "shut" || subject.wrong.length > 0 ? [] : rules;
  };
  return {
    subject: subject.selector,
    ingress: read("ingress"),
    egress: read("egress"),
    problems: problems.length === 0 ? noProblems : problems,
  };
}

// A cluster has very many policies, nearly all of them right: what is empty in all of them is the same.
const noProblems: readonly Problem[] = [];
const noNames: readonly NamedPort[] = [];
const anyPort = { ports: allPorts, named: noNames };
const rulePaths = new Interned<string, string>();

function readRules(list: unknown, direction: Direction, report: Report): readonly Rule[] {
  return listOf(list, `spec.${direction}`, report).map((rule, index) => {
    const written = `spec.${direction}[${index}]`;
    const path = rulePaths.get(written, () => written);
    const side = direction === "ingress" ? "from" : "to";
    // Read as an empty object, as a null may be, it would allow everything.
    if (!isObject(rule)) report(path, "a rule must be an object; it matches nothing");
    return {
      index,
      path,
      action: "Accept",
      peers: isObject(rule) ? readPeers(rule[side], `${path}.${side}`, report) : [],
      ...readPorts(isObject(rule) ? rule["ports"] : undefined, `${path}.ports`, report),
    };
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a list is written at all; the API reads an empty one like none. */
function isWritten(value: unknown): boolean {
  return value != null && !(Array.isArray(value) && value.length === 0);
}

function listOf(value: unknown, path: string, report: Report): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value != null) report(path, "it must be a list; it matches nothing");
  return [];
}

const bothShut: ReadonlyMap<Direction, Governs> = new Map([
  ["ingress", "shut"],
  ["egress", "shut"],
]);

/** No types given: ingress, and egress where an egress list is written (NetworkPolicySpec.policyTypes). */
function directionsOf(
  spec: Readonly<Record<string, unknown>>,
  report: Report,
): ReadonlyMap<Direction, Governs> {
  const types = spec["policyTypes"];
  if (!isWritten(types)) {
    const out = new Map<Direction, Governs>([["ingress", "rules"]]);
    return isWritten(spec["egress"]) ? out.set("egress", "rules") : out;
  }
  const named = new Map<Direction, Governs>();
  let unclear = !Array.isArray(types);
  if (!Array.isArray(types))
    report("spec.policyTypes", "it must be a list; both directions are isolated, and nothing is allowed");
  else {
    if (types.length > 2) report("spec.policyTypes", "may not specify more than two policyTypes");
    for (const [at, type] of (types as readonly unknown[]).entries()) {
      if (type === "Ingress") named.set("ingress", "rules");
      else if (type === "Egress") named.set("egress", "rules");
      else {
        unclear = true;
        const path = `spec.policyTypes[${at}]`;
        report(path, `'${show(type)}' is not Ingress or Egress; a direction not named is isolated as well`);
      }
    }
  }
  return unclear ? new Map([...bothShut, ...named]) : named;
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function readPeers(peers: unknown, path: string, report: Report): "any" | readonly Peer[] {
  if (!isWritten(peers)) return "any";
  const list = listOf(peers, path, report);
  const packed = new Uint32Array(list.length < MANY ? 0 : 2 * list.length);
  let size = 0;
  const found = list.flatMap((peer, at) => {
    if (packed.length > 0 && packPlain(peer, packed, size)) {
      size += 2;
      return [];
    }
    return readPeer(isObject(peer) ? peer : {}, at, () => `${path}[${at}]`, report);
  });
  // Copies: the lists have room for many more, which tens of thousands of policies would keep.
  if (size === 0) return found.slice();
  return [{ kind: "block", ranges: new PackedRanges(packed.slice(0, size)) }, ...found];
}

/** From so many peers on those that are plain ranges are kept together. */
const MANY = 64;

/** Puts a peer's range in its place if it is one of IPv4 without anything to be said about it. */
function packPlain(peer: unknown, into: Uint32Array, place: number): boolean {
  const { ipBlock, namespaceSelector, podSelector } = (peer ?? {}) as NetworkPolicyPeer;
  if (!isObject(ipBlock) || namespaceSelector != null || podSelector != null) return false;
  const { cidr, except } = ipBlock;
  if (except != null || typeof cidr !== "string") return false;
  const ends = ipv4Ends(cidr);
  if (ends === undefined) return false;
  into[place] = ends.first;
  into[place + 1] = ends.last;
  return true;
}

function readPeer(
  peer: NetworkPolicyPeer,
  index: number,
  path: () => string,
  report: Report,
): readonly Peer[] {
  const { ipBlock, namespaceSelector, podSelector } = peer;
  const nothing = (where: string, why: string): readonly Peer[] => {
    report(`${path()}${where}`, `${why}; it matches nothing`);
    return [];
  };
  if (ipBlock != null) {
    if (namespaceSelector != null || podSelector != null)
      return nothing("", "ipBlock may not stand beside another peer");
    const block = readBlock(ipBlock);
    if ("wrong" in block) return nothing(`.ipBlock.${block.at}`, block.wrong);
    return block.ranges.length === 0 ? [] : [{ kind: "block", ranges: block.ranges }];
  }
  if (namespaceSelector == null && podSelector == null) return nothing("", "a peer must be specified");
  const namespaces = namespaceSelector == null ? "own" : readSelector(namespaceSelector);
  const pods = podSelector == null ? selectEverything : readSelector(podSelector);
  if (typeof namespaces === "object" && "wrong" in namespaces)
    return nothing(".namespaceSelector", namespaces.wrong);
  if ("wrong" in pods) return nothing(".podSelector", pods.wrong);
  return [{ kind: "pods", index, namespaces, pods }];
}

function readPorts(
  ports: unknown,
  path: string,
  report: Report,
): { readonly ports: PortSet; readonly named: readonly NamedPort[] } {
  if (!isWritten(ports)) return anyPort;
  const sets: PortSet[] = [];
  const named: NamedPort[] = [];
  for (const [at, port] of listOf(ports, path, report).entries()) {
    const found = isObject(port) ? readPort(port) : { wrong: "it must be an object", at: "" };
    if ("wrong" in found)
      report(`${path}[${at}]${found.at === "" ? "" : `.${found.at}`}`, `${found.wrong}; it matches nothing`);
    else if ("name" in found) named.push(found);
    else sets.push(found);
  }
  return { ports: unionPorts(sets), named: named.length === 0 ? noNames : named };
}

function readPort(written: NetworkPolicyPort): PortSet | NamedPort | { wrong: string; at: string } {
  const protocol = (written.protocol ?? "TCP") as string;
  const { port, endPort } = written;
  if (!isProtocol(protocol)) return { wrong: `'${protocol}' is not TCP, UDP or SCTP`, at: "protocol" };
  if (port == null) {
    if (endPort == null) return protocolPorts(protocol);
    return { wrong: "may not be specified when `port` is not specified", at: "endPort" };
  }
  if (typeof port === "string") {
    if (endPort != null) return { wrong: "may not be specified when `port` is non-numeric", at: "endPort" };
    const why = whyNotPortName(port);
    if (why !== undefined) return { wrong: `a port's name: ${why}`, at: "port" };
    return { name: port, protocol };
  }
  if (!isPort(port)) return { wrong: "must be between 1 and 65535, inclusive", at: "port" };
  if (endPort == null) return portRange(protocol, port, port);
  if (!isPort(endPort)) return { wrong: "must be between 1 and 65535, inclusive", at: "endPort" };
  if (endPort < port) return { wrong: "must be greater than or equal to `port`", at: "endPort" };
  return portRange(protocol, port, endPort);
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function isProtocol(text: string): text is Protocol {
  return text === "TCP" || text === "UDP" || text === "SCTP";
}
