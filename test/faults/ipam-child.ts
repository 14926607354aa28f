// One node's allocator as a process of its own, for the hammer: told what to do over the channel to its parent.
import type { KubeObject } from "../../src/api/object.ts";
import { isError, textOf } from "../../src/base/errors.ts";
import type { UsedAddress } from "../../src/ipam/context.ts";
import { NodeIpam } from "../../src/ipam/node-ipam.ts";
import type { Owner, PoolRange } from "../../src/ipam/types.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";

export interface ChildSetup {
  readonly store: string;
  readonly node: string;
  readonly journal: string;
  readonly pool: PoolRange;
  readonly settings: Record<string, number>;
  readonly inUse: readonly UsedAddress[];
  readonly registered: boolean;
}

export type Order =
  | { readonly op: "add"; readonly owner: Owner; readonly address?: string }
  | { readonly op: "delete"; readonly owner: Owner }
  | { readonly op: "collect"; readonly uids: readonly string[]; readonly graceMs: number }
  | { readonly op: "register"; readonly registered: boolean }
  | { readonly op: "outage"; readonly ms: number }
  | { readonly op: "figures" };

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

/** The same store, with times during which it does not answer. */
function withOutages(store: Store): { store: Store; outage(ms: number): void } {
  let until = 0;
  const call = async <T>(effect: () => Promise<T>): Promise<T> => {
    if (Date.now() < until) throw new Error("the store does not answer");
    return effect();
  };
  return {
    outage(ms) {
      until = Date.now() + ms;
    },
    store: {
      get: (kind, name, namespace) => call(() => store.get(kind, name, namespace)),
      list: (kind, namespace) => call(() => store.list(kind, namespace)),
      create: (kind, draft) => call(() => store.create(kind, draft)),
      update: <T extends KubeObject>(kind: Parameters<Store["update"]>[0], object: T) =>
        call(() => store.update(kind, object)) as Promise<T>,
      delete: (kind, name, namespace, options) => call(() => store.delete(kind, name, namespace, options)),
      watch: (kind, options) => store.watch(kind, options),
      close: () => store.close(),
    } as Store,
  };
}

const setup = JSON.parse(process.argv[2] ?? "{}") as ChildSetup;
const { store, outage } = withOutages(openSqliteStore(setup.store));
/**
 * What pods on the node use, by uid, as their namespaces would show it at any moment: those that ran when the process
 * began, and what has come and gone since. A picture of the start alone would have a pod that is long gone hold its
 * address once more, which by then may be lent to another node.
 */
const used = new Map(setup.inUse.map((use) => [use.uid, use]));
const ipam = new NodeIpam({
  store,
  node: setup.node,
  journal: setup.journal,
  settings: setup.settings,
  inUse: () => Promise.resolve([...used.values()]),
  backoffMs: [20, 200],
});
ipam.setRegistered(setup.registered);

async function carryOut(order: Order): Promise<unknown> {
  switch (order.op) {
    case "add": {
      const exact = order.address === undefined ? {} : { address: order.address };
      const wants = [{ family: 4 as const, pools: [setup.pool], ...exact }];
      const { pod, uid } = order.owner;
      const { addresses } = await ipam.allocate({ owner: order.owner, wants });
      for (const { address } of addresses) used.set(uid, { address, pod, uid });
      return addresses;
    }
    case "delete":
      // The namespace is gone before its addresses are given back.
      used.delete(order.owner.uid);
      return (await ipam.release(order.owner)).length;
    case "collect": {
      const pods = order.uids.map((uid) => ({ uid, pod: "" }));
      return (await ipam.collect({ pods }, order.graceMs)).map((holding) => holding.owner.pod);
    }
    case "register":
      ipam.setRegistered(order.registered);
      return undefined;
    case "outage":
      outage(order.ms);
      return undefined;
    case "figures":
      return ipam.figures();
  }
}

process.on("message", (message: Order & { readonly id: number }) => {
  carryOut(message).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: unknown) => {
      const code = isError(error) ? error.code : "unexpected";
      process.send?.({ id: message.id, error: { code, message: textOf(error) } });
    },
  );
});
// The parent is gone: so is the reason to be.
process.on("disconnect", () => process.exit(0));
await ipam.start();
process.send?.({ id: 0 });
