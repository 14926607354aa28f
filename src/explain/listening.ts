// Whether anything answers at the far end: as far as objects tell.
import type { ClusterFacts } from "../plan/facts.ts";
import { type End, nodeOf } from "./ends.ts";
import { declaredPorts } from "./manifests/workloads.ts";
import { formatPort, type Port, parsePort } from "./ports.ts";

export interface Listening {
  /** undefined: no object tells. */
  readonly listening: boolean | undefined;
  readonly reason: string;
}

/** The one port that every node answers on. */
const nodePort = "10250/tcp";

/** Returns whether an end listens on a port, or answers an ICMP echo: pods by their containers' ports, hosts by their list. */
export function listeningOn(facts: ClusterFacts, end: End, port: Port | undefined): Listening {
  if (!port) {
    return end.type === "address"
      ? { listening: undefined, reason: `no object tells whether ${end.name} answers an ICMP echo` }
      : { listening: true, reason: `${end.name} answers an ICMP echo` };
  }
  const text = formatPort(port);
  if (end.type === "pod") {
    const found = portsOf(end).some((have) => formatPort(have) === text);
    if (!found)
      return { listening: false, reason: `no container of ${end.name} declares ${text}, so nothing listens` };
    return { listening: true, reason: `a container of ${end.name} declares ${text}` };
  }
  if (end.type === "host") {
    const found = portsOf(end).some((have) => formatPort(have) === text);
    return found
      ? { listening: true, reason: `${end.name} listens on ${text}` }
      : { listening: false, reason: `${end.name} does not listen on ${text}` };
  }
  if (end.type === "node") {
    for (const pod of facts.pods.values()) {
      if (pod.spec.hostNetwork !== true || pod.spec.nodeName !== nodeOf(end)) continue;
      const found = declaredPorts(pod.spec).some(
        (have) => have.containerPort === port.port && have.protocol === port.protocol,
      );
      if (found) return { listening: true, reason: `hostNetwork pod ${pod.metadata.name} declares ${text}` };
    }
  }
  if (end.type === "node" && text === nodePort)
    return { listening: true, reason: `${end.name} answers on ${text}, as a kubelet does` };
  return { listening: undefined, reason: `no object tells whether ${end.name} listens on ${text}` };
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
