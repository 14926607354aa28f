// The life of an interface, call by call: made, attached, believed only once the provider shows it so; and back.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { TrunklineError } from "../base/errors.ts";
import { type CloudProvider, type CreateInterface, isThrottled, isUnanswered } from "./provider.ts";
import type { CloudInterface } from "./types.ts";

/** How often a call without an answer is made again with the same token. */
const REPEATS = 3;
const FIRST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 1000;
const LEAST_THROTTLED_MS = 400;
/** How long an interface may be on its way until it is taken back. */
const PATIENCE_MS = 10_000;

/** Makes a call that may be repeated; repeats it while there is no answer. @throws `cloud.refused`, `cloud.no-answer` */
export async function insisting<T>(call: () => Promise<T>): Promise<T> {
  for (let left = REPEATS; ; left--) {
    try {
      return await call();
    } catch (error) {
      if (!isUnanswered(error) || left === 0) throw error;
    }
  }
}

/**
 * Makes an interface; settles when it is there and attached to nothing. Whoever must find it again after a crash gives the
 * token, and has written it down. @throws `cloud.…`
 */
export function createInterface(
  provider: CloudProvider,
  request: Omit<CreateInterface, "token"> & Partial<Pick<CreateInterface, "token">>,
): Promise<CloudInterface> {
  const token = request.token ?? randomUUID();
  return insisting(() => provider.createInterface({ ...request, token }));
}

/** Attaches an interface to a machine, or to its trunk; settles when it is in use there. @throws `cloud.…` */
export async function attachInterface(
  provider: CloudProvider,
  id: string,
  instanceID: string,
  signal: AbortSignal,
  trunkENIID?: string,
): Promise<CloudInterface> {
  const attachment = { id, instanceID, ...(trunkENIID !== undefined && { trunkENIID }) };
  await insisting(() => provider.attachInterface(attachment));
  const attached = await looking(provider, id, signal, (one) => one?.status === "InUse");
  if (attached) return attached;
  // It stays on its way: taken back, it can be tried again.
  await insisting(() => provider.detachInterface(attachment));
  throw stuck("AttachNetworkInterface", id);
}

/** Detaches and deletes an interface; settles when the provider no longer shows it. @throws `cloud.…` */
export async function removeInterface(
  provider: CloudProvider,
  id: string,
  instanceID: string,
  signal: AbortSignal,
): Promise<void> {
  const [one] = await provider.describeInterfaces({ ids: [id] });
  if (!one) return;
  await freeInterface(provider, one, instanceID, signal);
  await insisting(() => provider.deleteInterface(id));
  const isGone = await looking(provider, id, signal, (now) => now === undefined);
  if (isGone === false) throw stuck("DeleteNetworkInterface", id);
}

/** Detaches an interface; settles when the provider shows it as free, or no longer. @throws `cloud.…` */
export async function freeInterface(
  provider: CloudProvider,
  { id, status, trunkENIID }: Pick<CloudInterface, "id" | "status" | "trunkENIID">,
  instanceID: string,
  signal: AbortSignal,
): Promise<void> {
  const attachment = { id, instanceID, ...(trunkENIID !== undefined && { trunkENIID }) };
  if (status !== "Available") await insisting(() => provider.detachInterface(attachment));
  const isFree = await looking(
    provider,
    id,
    signal,
    (now) => now === undefined || now.status === "Available",
  );
  if (isFree === false) throw stuck("DetachNetworkInterface", id);
}

/** Looks at an interface until it is as wanted; returns it, or undefined if it is gone then, or false if it takes too long. */
async function looking(
  provider: CloudProvider,
  id: string,
  signal: AbortSignal,
  isAsWanted: (one: CloudInterface | undefined) => boolean,
): Promise<CloudInterface | undefined | false> {
  let end = performance.now() + PATIENCE_MS;
  for (let wait = FIRST_LOOK_MS; ; wait = Math.min(2 * wait, LONGEST_LOOK_MS)) {
    try {
      const [one] = await provider.describeInterfaces({ ids: [id] });
      if (isAsWanted(one)) return one;
    } catch (error) {
      // Looks can wait; whoever begins anew makes more calls.
      if (!isThrottled(error)) throw error;
      wait = Math.max(wait, LEAST_THROTTLED_MS * (0.5 + Math.random()));
      end += wait;
    }
    if (performance.now() > end) return false;
    await pause(wait, undefined, { signal });
  }
}

function stuck(call: string, id: string) {
  return new TrunklineError("cloud.no-answer", { call, why: `${id} does not get there` });
}
