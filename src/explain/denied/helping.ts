// Which change would let a refused packet in: the smallest one that the policies' own rules suggest. Only what would really
// do: where no rule comes near, it says what a rule would have to allow. Pure.
import type { Pod } from "../../api/kinds/core.ts";
import { type Labels, labelOf } from "../../api/selectors/selectors.ts";
import { hostRange, tryParseIp } from "../../base/ip.ts";
import { resolvePort } from "../../plan/policy/pods.ts";
import { hasPort } from "../../plan/policy/port-set.ts";
import { rangesHold } from "../../plan/policy/ranges.ts";
import { type Selector, selects } from "../../plan/policy/selector.ts";
import type { CompiledPolicy, Direction, Peer, PodPeer, Rule } from "../../plan/policy/types.ts";

/** The other end, as far as it is known. */
export interface RefusedPeer {
  readonly ip: string;
  readonly pod?: {
    readonly key: string;
    readonly pod: Pod;
    /** undefined: its namespace is not known. */
    readonly namespaceLabels: Labels | undefined;
  };
}

export interface RefusedFlow {
  readonly direction: Direction;
  /** The pod that is isolated. */
  readonly self: { readonly key: string; readonly pod: Pod };
  readonly peer: RefusedPeer;
  /** TCP, UDP, SCTP, or whatever else it is. */
  readonly protocol: string;
  readonly port: number | undefined;
  /** The policies that isolate the pod in this direction. */
  readonly policies: readonly CompiledPolicy[];
}

interface Change {
  /** How much has to change: the least wins. */
  readonly cost: number;
  readonly text: string;
}

/** Returns what would let it in here, in words. */
export function helpfulChange(flow: RefusedFlow): string {
  const changes = flow.policies.flatMap((policy) =>
    (policy[flow.direction] ?? []).flatMap((rule) => changesFor(flow, policy, rule)),
  );
  const [best] = changes.toSorted((a, b) => a.cost - b.cost);
  return best?.text ?? newRule(flow);
}

function changesFor(flow: RefusedFlow, policy: CompiledPolicy, rule: Rule): Change[] {
  const where = `${policy.key}, ${rule.path}`;
  const side = flow.direction === "ingress" ? "from" : "to";
  if (!admitsPort(flow, rule)) {
    if (!admitsPeer(flow, policy, rule)) return [];
    return flow.port === undefined
      ? [{ cost: 20, text: `no list of ports in ${where}: only so does it allow ${flow.protocol}` }]
      : [{ cost: 5, text: `port ${flow.port}/${flow.protocol} in ${where}.ports` }];
  }
  const { pod } = flow.peer;
  if (rule.peers === "any" || pod === undefined) return [];
  return rule.peers.flatMap((peer) => {
    const found = peer.kind === "pods" ? labelsFor(peer, policy, pod) : undefined;
    if (peer.kind !== "pods" || found === undefined) return [];
    return [{ cost: found.cost, text: `${found.text} (${where}.${side}[${peer.index}])` }];
  });
}

/** What labels would make the pod one that the peer selects; undefined where no label does. */
function labelsFor(
  peer: PodPeer,
  policy: CompiledPolicy,
  { key, pod, namespaceLabels }: NonNullable<RefusedPeer["pod"]>,
) {
  const namespace = pod.metadata.namespace ?? "default";
  const parts: string[] = [];
  let cost = 0;
  if (peer.namespaces === "own") {
    if (namespace !== policy.namespace) return undefined;
  } else if (!selects(peer.namespaces, namespaceLabels)) {
    const unmet = unmetLabels(peer.namespaces, namespaceLabels);
    // A namespace's name is a label that nobody can change.
    if (unmet.length === 0 || unmet.some((one) => one.includes("kubernetes.io/metadata.name")))
      return undefined;
    parts.push(`${unmet.join(", ")} on namespace ${namespace}`);
    cost += 10 + unmet.length;
  }
  const unmet = unmetLabels(peer.pods, pod.metadata.labels);
  if (unmet.length > 0) parts.push(`${unmet.join(", ")} on pod ${key}`);
  cost += unmet.length;
  return parts.length === 0 ? undefined : { cost, text: parts.join(" and ") };
}

function unmetLabels(selector: Selector, labels: Labels | undefined): string[] {
  return selector.requirements.flatMap((requirement) => {
    if (selects({ key: "", requirements: [requirement] }, labels)) return [];
    const { key, operator, values } = requirement;
    if (operator === "In") return [`label ${key}=${[...values].join(" or ")}`];
    if (operator === "Exists") return [`label ${key}`];
    return [`no label ${key}=${labelOf(labels, key) ?? ""}`];
  });
}

function admitsPort({ direction, self, peer, protocol, port }: RefusedFlow, rule: Rule): boolean {
  if (hasPort(rule.ports, protocol, port)) return true;
  const destination = direction === "ingress" ? self.pod : peer.pod?.pod;
  if (destination === undefined || port === undefined) return false;
  return rule.named.some(
    (named) => named.protocol === protocol && resolvePort(destination, named).includes(port),
  );
}

function admitsPeer({ peer }: RefusedFlow, policy: CompiledPolicy, rule: Rule): boolean {
  return rule.peers === "any" || rule.peers.some((one) => isPeer(one, policy, peer));
}

function isPeer(one: Peer, policy: CompiledPolicy, { ip, pod }: RefusedPeer): boolean {
  if (one.kind === "block") {
    const address = tryParseIp(ip);
    return address !== undefined && rangesHold(one.ranges, address);
  }
  if (pod === undefined) return false;
  const namespace = pod.pod.metadata.namespace ?? "default";
  const inNamespace =
    one.namespaces === "own"
      ? namespace === policy.namespace
      : pod.namespaceLabels !== undefined && selects(one.namespaces, pod.namespaceLabels);
  return inNamespace && selects(one.pods, pod.pod.metadata.labels);
}

function newRule({ direction, peer, protocol, port, policies }: RefusedFlow): string {
  const who = peer.pod === undefined ? `an ipBlock with ${hostRange(peer.ip)}` : `pod ${peer.pod.key}`;
  const ports = port === undefined ? "" : ` on ${port}/${protocol}`;
  const [first] = policies;
  return `a rule in ${first?.key ?? "a policy"}, spec.${direction}, that allows ${who}${ports}`;
}
