// Who waits for addresses of which vSwitch, read from what agents have written on pods.
import { isTerminal, type Pod } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../facts.ts";

/** Condition of every pod that waits, or has waited, for its network. */
export const networkReadyCondition = "trunkline.dev/NetworkReady";
/** "true": the pod has a PodENI. */
export const podEniAnnotation = "k8s.aliyun.com/pod-eni";

/** Name of the PodNetworking that admission has found for a pod. */
export const podNetworkingAnnotation = "k8s.aliyun.com/pod-networking";

/** Returns whether a pod is to have a network of its own, other than its node's. */
export function wantsOwnNetwork(pod: Pick<Pod, "metadata">): boolean {
  return pod.metadata.annotations?.[podEniAnnotation] === "true";
}

/** Returns whether a pod waits for its network, and says that it is because a vSwitch has no address. */
export function waitsForAddress(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    !isTerminal(pod) &&
    (pod.status?.conditions ?? []).some(
      ({ type, status, reason }) =>
        type === networkReadyCondition && status === "False" && reason === "VSwitchExhausted",
    )
  );
}

type DemandFacts = Pick<ClusterFacts, "pods" | "nodeConfigs">;

/** Returns whether pods of other nodes wait for addresses of a vSwitch. */
export function waitsElsewhere(facts: DemandFacts, node: string, vSwitchID: string): boolean {
  for (const pod of facts.pods.values()) {
    const { nodeName } = pod.spec;
    if (nodeName === undefined || nodeName === node || !waitsForAddress(pod)) continue;
    if (facts.nodeConfigs.get(nodeName)?.status?.vSwitchIDs?.includes(vSwitchID)) return true;
  }
  return false;
}
