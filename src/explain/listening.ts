// Whether anything answers at the far end: as far as objects tell.
import { isTerminal } from "../api/kinds/core.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { type End, isOnNode, nodeOf } from "./ends.ts";
import { bare } from "./ground/ground.ts";
import type { Stop } from "./ground/onward.ts";
import { isLoopback } from "./ground/own-addresses.ts";
import { declaredPorts } from "./manifests/workloads.ts";
import { formatPort, type Port, parsePort } from "./ports.ts";

export interface Listening {
  /** undefined: no object tells. */
  readonly listening: boolean | undefined;
  readonly reason: string;
}

/** The one port that every node answers on, as far as objects tell. */
const nodePort = "10250/tcp";

/**
 * Returns whether an end listens on a port, or answers an ICMP echo: pods by their containers' ports, hosts by their list.
 * A container's ports are what somebody says of it, and those that it leaves out may be listened on as well (core/v1
 * Container.ports), so that of pods no object can tell that they do not.
 */
export function listeningOn(facts: ClusterFacts, end: End, port: Port | undefined): Listening {
  if (!port) {
    return end.type === "address"
      ? { listening: undefined, reason: `no object tells whether ${end.name} answers an ICMP echo` }
      : { listening: true, reason: `${end.name} answers an ICMP echo` };
  }
  const text = formatPort(port);
  if (end.type === "host") {
    const found = portsOf(end).some((have) => formatPort(have) === text);
    return found
      ? { listening: true, reason: `${end.name} listens on ${text}` }
      : { listening: false, reason: `${end.name} does not listen on ${text}` };
  }
  if (end.type === "pod" && !isOnNode(end)) {
    const said = listeningInPod(end, port);
    const unsaid = `no container of ${end.name} declares ${text}, and a program may listen there all the same`;
    if (!said.listening) return { listening: undefined, reason: unsaid };
    const unready = whyUnready(end);
    return unready === undefined
      ? said
      : { listening: undefined, reason: `${said.reason}, but the pod is not ready${unready}` };
  }
  const node = nodeOf(end);
  const known = node === undefined ? undefined : onNode(facts, node, port, [parsePort(nodePort)]);
  return known ?? { listening: undefined, reason: `no object tells whether ${end.name} listens on ${text}` };
}

/**
 * The same of where a packet ends up in a network that is known whole, as a lab's is, which starts what its objects
 * declare and nothing else: there, who is not known to listen does not.
 */
export function listeningAt(
  facts: ClusterFacts,
  stop: Exclude<Stop, { type: "lost" }>,
  address: string,
  port: Port | undefined,
): { readonly listening: boolean; readonly reason: string } {
  if (!port) return { listening: true, reason: `${stop.name} answers an ICMP echo` };
  const text = formatPort(port);
  const no = { listening: false, reason: `nothing listens on ${text} of ${stop.name}` };
  // UDP and SCTP are answered from the address that was asked, so only addresses of one's own have sockets.
  const isTcp = port.protocol === "TCP";
  if (!isTcp && isLoopback(address)) return no;
  if (stop.type === "pod") return listeningInPod(stop.end, port);
  const { name, ports, links, bound } = stop.machine;
  const own = bound ?? links.flatMap(({ addresses }) => addresses.map(bare));
  if (!isTcp && !own.includes(address)) return no;
  const node = /^node\/(.*)$/.exec(name)?.[1];
  if (node !== undefined) return onNode(facts, node, port, ports) ?? no;
  return ports.some((have) => formatPort(have) === text)
    ? { listening: true, reason: `${name} listens on ${text}` }
    : no;
}

/** Returns what a pod says of itself where it is not ready, to be put behind that; undefined: it is, or does not say. */
function whyUnready(end: End & { readonly type: "pod" }): string | undefined {
  const ready = end.pod.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status !== "False") return undefined;
  const why = ready.message ?? ready.reason ?? "";
  return why === "" ? "" : `: ${why}`;
}

function listeningInPod(end: End, port: Port): { readonly listening: boolean; readonly reason: string } {
  const text = formatPort(port);
  return portsOf(end).some((have) => formatPort(have) === text)
    ? { listening: true, reason: `a container of ${end.name} declares ${text}` }
    : { listening: false, reason: `no container of ${end.name} declares ${text}, so nothing listens` };
}

/** Who listens on a node's own network: the node, and pods that use it. */
function onNode(facts: ClusterFacts, node: string, port: Port, own: readonly Port[]) {
  const text = formatPort(port);
  for (const pod of facts.pods.values()) {
    if (pod.spec.hostNetwork !== true || pod.spec.nodeName !== node || isTerminal(pod)) continue;
    const found = declaredPorts(pod.spec).some(
      (have) => have.containerPort === port.port && have.protocol === port.protocol,
    );
    if (found) return { listening: true, reason: `hostNetwork pod ${pod.metadata.name} declares ${text}` };
  }
  return own.some((have) => formatPort(have) === text)
    ? { listening: true, reason: `node/${node} answers on ${text}, as a kubelet does` }
    : undefined;
}

/** Returns the ports that an end declares. */
export function portsOf(end: End): Port[] {
  if (end.type === "pod") {
    return declaredPorts(end.pod.spec).map(({ containerPort, protocol }) => ({
      port: containerPort,
      protocol,
    }));
  }
  if (end.type === "host") {
    return (end.host.spec.ports ?? []).map(({ port, protocol = "TCP" }) => ({ port, protocol }));
  }
  return end.type === "node" ? [parsePort(nodePort)] : [];
}
