// The status that the node reports of a pod.
import { withCondition } from "../../api/conditions.ts";
import { isTerminal, type Pod } from "../../api/kinds/core.ts";

/** Returns the status of a pod that runs and serves. */
export function runningStatus(
  pod: Pod,
  ips: readonly string[],
  hostIp: string,
  now: Date,
): NonNullable<Pod["status"]> {
  const at = `${now.toISOString().slice(0, 19)}Z`;
  const { reason: _reason, message: _message, ...before } = pod.status ?? {};
  const [first] = ips;
  const conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].reduce(
    (list, type) => withCondition(list, { type, status: "True" }, at),
    before.conditions ?? [],
  );
  return {
    ...before,
    phase: "Running",
    hostIP: hostIp,
    ...(first !== undefined && { podIP: first }),
    podIPs: ips.map((ip) => ({ ip })),
    startTime: before.startTime ?? at,
    conditions,
  };
}

/** Returns the status of a pod that has ended; one that had ended before keeps the way in which it did. */
export function endedStatus(
  pod: Pod,
  now: Date,
  phase: "Succeeded" | "Failed" = "Succeeded",
): NonNullable<Pod["status"]> {
  const before = pod.status ?? {};
  if (isTerminal(pod)) return before;
  const at = `${now.toISOString().slice(0, 19)}Z`;
  const conditions = ["ContainersReady", "Ready"].reduce(
    (list, type) =>
      withCondition(
        list,
        { type, status: "False", reason: phase === "Failed" ? "PodFailed" : "PodCompleted" },
        at,
      ),
    before.conditions ?? [],
  );
  return { ...before, phase, conditions };
}
