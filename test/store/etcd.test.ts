import { afterAll, beforeAll } from "vitest";
import { etcdStore } from "../../src/store/etcd/store.ts";
import { storeSuite } from "../../src/store/store.suite.ts";
import { type EtcdCluster, startEtcd } from "./etcd-cluster.ts";

let etcd: EtcdCluster;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd.close());

let round = 0;
storeSuite("etcd, two clients of one cluster", async () => {
  const prefix = `/suite/${++round}`;
  const open = () => etcdStore({ endpoints: etcd.endpoints, prefix });
  const stores = [open(), open()] as const;
  return {
    stores,
    history: 300,
    forget: () => etcd.compact(),
    async close() {
      for (const store of stores) await store.close();
    },
  };
});
