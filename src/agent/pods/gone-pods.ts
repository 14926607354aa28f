// Endpoints whose DEL never came: the pod's object is gone and so is its namespace. (A runtime that lost its state, a
// node that was rebooted in the middle.) The kernel is asked, and not only the store: a stale listing takes no address.
import type { Logger } from "../../base/log.ts";
import type { Machine } from "../../kernel/kernel.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { podKey } from "./endpoint.ts";
import { type Endpoints, factsOf, netnsIsGone } from "./endpoints.ts";

/** When an endpoint was first seen without pod and namespace, per endpoint and agent. */
const firstMissed = new WeakMap<Endpoints, Map<string, number>>();

/** Removes endpoints that have been without pod and namespace for `graceSeconds`; to be called now and then. */
export async function collectGone(
  endpoints: Endpoints,
  facts: ClusterFacts,
  machine: Machine,
  graceSeconds: number,
  logger: Logger,
): Promise<void> {
  const before = firstMissed.get(endpoints) ?? new Map<string, number>();
  const missed = new Map<string, number>();
  firstMissed.set(endpoints, missed);
  for (const [key, endpoint] of endpoints.known) {
    if (endpoint.phase !== "ready" || endpoint.pod === undefined) continue;
    const pod = facts.pods.get(podKey(endpoint.pod));
    const podIsGone = pod === undefined || (endpoint.pod.uid !== "" && pod.metadata.uid !== endpoint.pod.uid);
    if (!podIsGone || !netnsIsGone(machine, endpoint)) continue;
    const since = before.get(key) ?? performance.now();
    if (performance.now() - since < graceSeconds * 1000) {
      missed.set(key, since);
      continue;
    }
    logger.warn(
      factsOf(endpoint),
      "the pod and its namespace are gone without a DEL: releasing its addresses",
    );
    await endpoints.remove(endpoint);
  }
}
