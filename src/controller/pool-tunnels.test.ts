import { expect, it } from "vitest";
import { type IPPool, ipPoolKind } from "../api/kinds/ip-pool.ts";
import type { Kind, KubeObject } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { silent } from "../base/log.ts";
import { memoryStore } from "../store/memory.ts";
import type { Listing, Store } from "../store/store.ts";
import { PoolTunnels } from "./pool-tunnels.ts";

it("ends also where the server lists pools, and nodes not yet", async () => {
  const store = memoryStore();
  const pool = { apiVersion: ipPoolKind.apiVersion, kind: "IPPool", metadata: { name: "pool" } };
  await store.create<IPPool>(ipPoolKind, { ...pool, spec: { cidr: "10.1.0.0/16" } } as never);
  let listed = false;
  const halting = Object.assign(Object.create(store) as Store, {
    list: async <T extends KubeObject>(kind: Kind<T>): Promise<Listing<T>> => {
      if (kind.kind === "Node") throw new TrunklineError("store.unreachable", { place: "p", why: "away" });
      const listing = await store.list(kind);
      listed = true;
      return listing;
    },
    watch: store.watch.bind(store),
    get: store.get.bind(store),
    update: store.update.bind(store),
  });
  const tunnels = new PoolTunnels(halting, silent);
  tunnels.start();
  await expect.poll(() => listed).toBe(true);
  // As long as it takes to look.
  await new Promise((resolve) => setTimeout(resolve, 250));
  await tunnels.stop();
});
