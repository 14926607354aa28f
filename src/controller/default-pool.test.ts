import { expect, it } from "vitest";
import { configMapKind, nodeKind } from "../api/kinds/core.ts";
import { ipPoolKind } from "../api/kinds/ip-pool.ts";
import { serviceCidrKind } from "../api/kinds/service-cidr.ts";
import { silent } from "../base/log.ts";
import { memoryStore } from "../store/memory.ts";
import { firstStartName, makeDefaultPools } from "./default-pool.ts";

const four = { CALICO_IPV4POOL_CIDR: "10.1.0.0/16" };

it("makes the pool that Calico's variables ask for at the first start, and only then", async () => {
  const store = memoryStore();
  const variables = { ...four, CALICO_IPV4POOL_BLOCK_SIZE: "27", CALICO_IPV4POOL_NODE_SELECTOR: "all()" };
  expect(await makeDefaultPools(store, variables, silent)).toEqual(["default-ipv4-ippool"]);
  const pool = await store.get(ipPoolKind, "default-ipv4-ippool");
  expect(pool?.spec).toMatchObject({ cidr: "10.1.0.0/16", blockSize: 27, natOutgoing: true });
  await store.delete(ipPoolKind, "default-ipv4-ippool");
  // Its owner has meant it.
  expect(await makeDefaultPools(store, variables, silent)).toEqual([]);
  expect(await store.get(ipPoolKind, "default-ipv4-ippool")).toBeUndefined();
});

it("makes none where there are pools, and none later either", async () => {
  const store = memoryStore();
  await store.create(ipPoolKind, {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name: "mine" },
    spec: { cidr: "10.9.0.0/16" },
  });
  expect(await makeDefaultPools(store, four, silent)).toEqual([]);
  await store.delete(ipPoolKind, "mine");
  expect(await makeDefaultPools(store, four, silent)).toEqual([]);
});

it("goes on where an earlier start ended between the two pools", async () => {
  const store = memoryStore();
  const both = { ...four, CALICO_IPV6POOL_CIDR: "fd00:1::/64" };
  await makeDefaultPools(store, four, silent);
  await store.delete(configMapKind, firstStartName, "kube-system");
  expect(await makeDefaultPools(store, both, silent)).toEqual(["default-ipv6-ippool"]);
  expect((await store.list(ipPoolKind)).items.map(({ metadata }) => metadata.name)).toEqual([
    "default-ipv4-ippool",
    "default-ipv6-ippool",
  ]);
});

it("makes none where nobody asks, and remembers nothing: the settings may come later", async () => {
  const store = memoryStore();
  expect(await makeDefaultPools(store, {}, silent)).toEqual([]);
  expect(await makeDefaultPools(store, { ...four, NO_DEFAULT_POOLS: "true" }, silent)).toEqual([]);
  expect(await makeDefaultPools(store, four, silent)).toEqual(["default-ipv4-ippool"]);
});

it("refuses a range that nodes or Services have, and what is no pool, naming the variable", async () => {
  const store = memoryStore();
  await store.create(serviceCidrKind, {
    apiVersion: "networking.k8s.io/v1",
    kind: "ServiceCIDR",
    metadata: { name: "kubernetes" },
    spec: { cidrs: ["10.96.0.0/16"] },
  });
  await store.create(nodeKind, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n1" },
    status: { addresses: [{ type: "InternalIP", address: "10.2.0.5" }] },
  });
  for (const cidr of ["10.96.0.0/12", "10.2.0.0/16", "10.1.0.0/40", "nonsense"])
    await expect(makeDefaultPools(store, { CALICO_IPV4POOL_CIDR: cidr }, silent)).rejects.toMatchObject({
      code: "controller.default-pool",
      message: expect.stringContaining("CALICO_IPV4POOL_CIDR"),
    });
  expect((await store.list(ipPoolKind)).items).toEqual([]);
  expect((await store.list(configMapKind, "kube-system")).items).toEqual([]);
});
