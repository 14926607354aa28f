// Whether a node hands open connections to flow tables, which pods' it does not, and how it says so on its Node object.
import { bandwidthOf } from "../../api/bandwidth.ts";
import type { Node, Pod } from "../../api/kinds/core.ts";
import { nodeAnnotation } from "../../api/kinds/routing/node-annotations.ts";
import { DEFAULT_NAME, type FlowTables } from "../../api/kinds/routing/routing-configuration.ts";
import type { ClusterFacts, NodeFacts } from "../facts.ts";
import { subnetOf } from "../subnets/of-address.ts";
import type { FlowWire } from "./table.ts";

/** In force, or why not. */
export type FlowState = { readonly on: true } | { readonly on: false; readonly why: string };

/** Returns what RoutingConfiguration `default` says; Auto where it says nothing. */
export function flowSetting(facts: Pick<ClusterFacts, "routingConfigurations">): FlowTables {
  return facts.routingConfigurations.get(DEFAULT_NAME)?.spec.flowTables ?? "Auto";
}

/**
 * Returns why connections of a pod are not handed over; undefined: they are.
 * - A limit of bandwidth is a queue of its links, which such packets pass as well; but who asked for a limit asked for
 *   every packet to be weighed, and no figure of a kernel yet to come should depend on where it hangs its queues.
 * - Subnets' interfaces have routes by the sender's address.
 */
export function whyNoFlows(
  facts: Pick<ClusterFacts, "subnets" | "pools">,
  pod: Pick<Pod, "metadata"> | undefined,
  ips: readonly string[],
): string | undefined {
  if (!pod) return "its object is not known";
  const { limits, faults } = bandwidthOf(pod.metadata.annotations);
  if (Object.keys(limits).length + faults.length > 0) return "its bandwidth is limited";
  if (ips.some((ip) => subnetOf(facts, ip) !== undefined)) return "it has an address of a subnet";
  return undefined;
}

/**
 * Returns the wires of a node's pods whose connections may be handed over.
 * @param isElsewhere whether an address has routes of its own
 */
export function flowWires(
  facts: ClusterFacts,
  { endpoints }: Pick<NodeFacts, "endpoints">,
  isElsewhere: (ip: string) => boolean,
): FlowWire[] {
  return [...endpoints.values()].flatMap(({ interface: link, ips, pod: key, uid }) => {
    const pod = facts.pods.get(key);
    const isSame = pod !== undefined && (uid === "" || pod.metadata.uid === uid);
    const why = whyNoFlows(facts, isSame ? pod : undefined, ips);
    return why !== undefined || ips.length === 0 || ips.some(isElsewhere) ? [] : [{ link, ips }];
  });
}

const OFF = "off: ";

/** Returns what a node says of itself. */
export function flowStateText(state: FlowState): string {
  return state.on ? "on" : `${OFF}${state.why}`;
}

/** Returns what a node says of itself; undefined: nothing, as one does whose kernel has no flow tables. */
export function flowStateOf(node: Node): FlowState | undefined {
  const text = nodeAnnotation(node, "flowTables");
  if (text === "on") return { on: true };
  return text?.startsWith(OFF) ? { on: false, why: text.slice(OFF.length) } : undefined;
}
