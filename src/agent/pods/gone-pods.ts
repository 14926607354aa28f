// Endpoints whose DEL never came: nothing is left of the sandbox, and nobody shows its addresses as in use. (A runtime that
// lost its state; a machine that was started anew; an ADD that a plugin behind ours failed, again and again, each time with
// another container: the pod lives, its earlier sandboxes do not.) The kernel is asked, and not only the store: a stale
// listing takes no address.
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Machine } from "../../kernel/kernel.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type Endpoint, endpointKey, factsOf, podKey } from "./endpoint.ts";
import type { Endpoints } from "./endpoints.ts";
import { netnsIsGone } from "./wire-upkeep.ts";

/** When an endpoint was first seen without anything of it left, per endpoint and agent. */
const firstMissed = new WeakMap<Endpoints, Map<string, number>>();

/** Removes endpoints of which nothing has been left for `graceSeconds`; to be called now and then. */
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
  for (const endpoint of endpoints.withoutWire()) {
    const key = endpointKey(endpoint);
    if (isShown(endpoint, facts) || !netnsIsGone(machine, endpoint)) continue;
    const since = before.get(key) ?? performance.now();
    if (performance.now() - since < graceSeconds * 1000) {
      missed.set(key, since);
      continue;
    }
    logger.warn(
      factsOf(endpoint),
      "nothing is left of a pod's sandbox and no DEL came: releasing its addresses",
    );
    try {
      await endpoints.removeFound(endpoint);
    } catch (error) {
      logger.error({ ...factsOf(endpoint), error: textOf(error) }, "it cannot be removed now");
      missed.set(key, since);
    }
  }
}

/** Whether the pod's object still shows one of the addresses as the pod's: others may talk to it. */
function isShown({ pod, ips }: Endpoint, facts: ClusterFacts): boolean {
  const object: Pod | undefined = pod && facts.pods.get(podKey(pod));
  if (pod === undefined || object === undefined || isTerminal(object)) return false;
  if (pod.uid !== "" && object.metadata.uid !== pod.uid) return false;
  const shown = new Set(podIps(object));
  return ips.some((ip) => shown.has(ip));
}
