// Freeing an address that is held for a pod's name: its PodENI is deleted, and the controller takes the interface away.
import { setTimeout as sleep } from "node:timers/promises";
import { type PodENI, podEniKind } from "../../api/kinds/pod-eni.ts";
import { keyOf } from "../../api/object.ts";
import { isError } from "../../base/errors.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { hasPod, holderOf } from "../../plan/subnets/pod-eni/ledger.ts";
import type { Store } from "../../store/store.ts";
import { ask } from "../ask.ts";
import { withStore } from "../context.ts";
import type { ReleaseOptions, ReleaseResult } from "./release-result.ts";

/** How long the controller may take, in milliseconds. */
const waitMs = 20_000;
const pollMs = 100;

/** Frees addresses that PodENIs hold and no pod has. @throws `cli.declined` and what the store throws */
export async function releaseHeld(
  facts: ClusterFacts,
  addresses: readonly string[],
  options: ReleaseOptions,
): Promise<ReleaseResult[]> {
  const holders = addresses.flatMap((address) => {
    const podEni = holderOf(facts, address);
    return podEni ? [{ address, podEni }] : [];
  });
  const taken = holders.filter(({ podEni }) => hasPod(podEni, facts.pods));
  const free = holders.filter((one) => !taken.includes(one));
  const refused = taken.map(({ address, podEni }) => ({
    address,
    ok: false,
    result: `not freed: pod ${keyOf(podEni)} has it; delete the pod first`,
  }));
  if (free.length === 0) return refused;
  const words = free.map(({ address, podEni }) => `${address} (held for ${keyOf(podEni)})`);
  if (!options.yes) await ask(`Free ${words.join(", ")}?`);
  const freed = await withStore(options, (store) =>
    Promise.all(free.map(({ address, podEni }) => releaseOne(store, address, podEni))),
  );
  return [...refused, ...freed];
}

async function releaseOne(store: Store, address: string, podEni: PodENI): Promise<ReleaseResult> {
  const { name, namespace, uid, resourceVersion } = podEni.metadata;
  try {
    // Only as it was when it was looked at: a pod that came meanwhile has changed it.
    await store.delete(podEniKind, name, namespace, { uid, resourceVersion });
  } catch (error) {
    if (!isError(error, "store.conflict")) throw error;
    return {
      address,
      ok: false,
      result: `not freed: PodENI ${keyOf(podEni)} has changed meanwhile; look again`,
    };
  }
  const end = performance.now() + waitMs;
  for (;;) {
    const now = await store.get(podEniKind, name, namespace);
    if (now?.metadata.uid !== uid) return { address, ok: true, result: "freed" };
    if (performance.now() > end) {
      const msg = now.status?.msg ?? "the controller has not taken its interface away yet";
      return {
        address,
        ok: false,
        result: `not freed yet: PodENI ${keyOf(podEni)} is being deleted (${msg})`,
      };
    }
    await sleep(pollMs);
  }
}
