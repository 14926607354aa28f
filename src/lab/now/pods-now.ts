// A lab's pods as they are now: whose own network holds more than what we have put there.

import { GATEWAY4, GATEWAY6 } from "../../agent/pods/pod-routes.ts";
import { HOST_MAC } from "../../agent/pods/wire.ts";
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import type { Ground } from "../../explain/ground/ground.ts";
import type { Lab } from "../lab.ts";
import { podOddities } from "./oddities.ts";

const gateways = new Map([
  [GATEWAY4, HOST_MAC],
  [GATEWAY6, HOST_MAC],
]);

/** Returns what is odd about pods, by `pod/NAMESPACE/NAME`; those of which nothing is are left out. */
export async function podsNow(lab: Lab): Promise<NonNullable<Ground["pods"]>> {
  const out: Record<string, Awaited<ReturnType<typeof podOddities>>> = {};
  for (const pod of lab.population.pods.values()) {
    if (pod.spec.hostNetwork === true || isTerminal(pod)) continue;
    const { namespace, name, uid } = pod.metadata;
    const { netns, kernel } = lab.sandboxOf(uid);
    const ips = podIps(pod);
    if (netns === undefined || kernel === undefined || ips.length === 0) continue;
    const found = await podOddities({ kernel, netns: { name: netns }, ips, gateways }).catch(
      (error: unknown) => {
        // It has gone meanwhile, or whatever: nobody knows what is in there.
        return [
          { what: `it could not be looked at (${error instanceof Error ? error.message : "no reason"})` },
        ];
      },
    );
    if (found.length > 0) out[`pod/${namespace ?? "default"}/${name}`] = found;
  }
  return out;
}
