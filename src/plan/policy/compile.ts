// networking.k8s.io/v1 NetworkPolicy to rules. Nothing that is stored can make this throw: a part that the API would not
// take (an object may be older than its validation) matches nothing, the policy isolates all the same, and the part is
// reported.
import type { Protocol } from "../../api/kinds/core.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../api/kinds/network-policy.ts";
import { keyOf } from "../../api/object.ts";
import type { Problem } from "../../base/problem.ts";
import { readBlock } from "./block.ts";
import { allPorts, type PortSet, portRange, protocolPorts, unionPorts } from "./port-set.ts";
import { readSelector, selectEverything } from "./selector.ts";
import type { CompiledPolicy, Direction, NamedPort, Peer, Rule } from "./types.ts";

type Report = (path: string, message: string) => void;

/** Returns the policy's rules. */
export function compilePolicy(policy: NetworkPolicy): CompiledPolicy {
  const problems: Problem[] = [];
  const report: Report = (path, message) => {
    problems.push({ code: "policy.invalid", path, message });
  };
  const spec = policy.spec ?? {};
  const namespace = policy.metadata.namespace ?? "default";
  const subject = readSelector(spec.podSelector);
  if ("wrong" in subject) report("spec.podSelector", `${subject.wrong}; the policy selects nothing`);
  const types = directionsOf(policy, report);
  const read = (direction: Direction): readonly Rule[] | undefined => {
    if (!types.has(direction)) return undefined;
    const written = spec[direction];
    return listOf(written).map((rule, index) => {
      const path = `spec.${direction}[${index}]`;
      const side = direction === "ingress" ? "from" : "to";
      const { [side]: peers, ports } = (rule ?? {}) as {
        from?: readonly NetworkPolicyPeer[];
        to?: readonly NetworkPolicyPeer[];
        ports?: readonly NetworkPolicyPort[];
      };
      return {
        index,
        path,
        action: "Accept",
        peers: readPeers(peers, namespace, `${path}.${side}`, report),
        ...readPorts(ports, `${path}.ports`, report),
      };
    });
  };
  return {
    key: keyOf({ metadata: { name: policy.metadata.name, namespace } }),
    name: policy.metadata.name,
    namespace,
    priority: 0,
    subject: "wrong" in subject ? undefined : subject,
    ingress: read("ingress"),
    egress: read("egress"),
    problems,
  };
}

function listOf<T>(value: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [];
}

/** No types given: ingress, and egress where an egress list is written (NetworkPolicySpec.policyTypes). */
function directionsOf(policy: NetworkPolicy, report: Report): Set<Direction> {
  const types = listOf(policy.spec?.policyTypes);
  const out = new Set<Direction>();
  for (const [at, type] of types.entries()) {
    if (type === "Ingress") out.add("ingress");
    else if (type === "Egress") out.add("egress");
    else report(`spec.policyTypes[${at}]`, `'${String(type)}' is not a policy type; Ingress and Egress are`);
  }
  if (types.length > 0) return out;
  out.add("ingress");
  if (listOf(policy.spec?.egress).length > 0) out.add("egress");
  return out;
}

function readPeers(
  peers: readonly NetworkPolicyPeer[] | undefined,
  namespace: string,
  path: string,
  report: Report,
): "any" | readonly Peer[] {
  const list = listOf(peers);
  if (list.length === 0) return "any";
  return list.flatMap((peer, at) => readPeer(peer ?? {}, namespace, `${path}[${at}]`, report));
}

function readPeer(peer: NetworkPolicyPeer, namespace: string, path: string, report: Report): readonly Peer[] {
  const { ipBlock, namespaceSelector, podSelector } = peer;
  const nothing = (where: string, why: string): readonly Peer[] => {
    report(where, `${why}; it matches nothing`);
    return [];
  };
  if (ipBlock != null) {
    if (namespaceSelector != null || podSelector != null)
      return nothing(path, "ipBlock may not stand beside another peer");
    const block = readBlock(ipBlock);
    if ("wrong" in block) return nothing(`${path}.ipBlock.${block.at}`, block.wrong);
    return block.ranges.length === 0 ? [] : [{ kind: "block", ranges: block.ranges }];
  }
  if (namespaceSelector == null && podSelector == null) return nothing(path, "a peer must be specified");
  const namespaces = namespaceSelector == null ? namespace : readSelector(namespaceSelector);
  const pods = podSelector == null ? selectEverything : readSelector(podSelector);
  if (typeof namespaces === "object" && "wrong" in namespaces)
    return nothing(`${path}.namespaceSelector`, namespaces.wrong);
  if ("wrong" in pods) return nothing(`${path}.podSelector`, pods.wrong);
  return [{ kind: "pods", namespaces, pods }];
}

function readPorts(
  ports: readonly NetworkPolicyPort[] | undefined,
  path: string,
  report: Report,
): { readonly ports: PortSet; readonly named: readonly NamedPort[] } {
  const list = listOf(ports);
  if (list.length === 0) return { ports: allPorts, named: [] };
  const sets: PortSet[] = [];
  const named: NamedPort[] = [];
  for (const [at, port] of list.entries()) {
    const found = readPort(port ?? {});
    if ("wrong" in found)
      report(`${path}[${at}]${found.at === "" ? "" : `.${found.at}`}`, `${found.wrong}; it matches nothing`);
    else if ("name" in found) named.push(found);
    else sets.push(found);
  }
  return { ports: unionPorts(sets), named };
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
    if (port === "") return { wrong: "a port's name must not be empty", at: "port" };
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
