import { expect, it } from "vitest";
import { type ConfigMap, type Node, nodeKind } from "../../api/kinds/core.ts";
import { nodeConfigKind } from "../../api/kinds/node-config.ts";
import { silent } from "../../base/log.ts";
import { emptyFacts } from "../../plan/facts.ts";
import { memoryStore } from "../../store/memory.ts";
import { ConfigManager, changeNodeConfig } from "./config-manager.ts";

const eni = (used: number) => ({
  id: "eni-1",
  vSwitchID: "vsw-1",
  securityGroupIDs: [],
  mac: "",
  hash: "h",
  used,
  idle: 0,
});

// Terway lost which pod had which address when another part wrote the same status (c2a5d9b).
it("who writes one part of a node's status takes nothing of another part away, however often they meet", async () => {
  const store = memoryStore();
  await changeNodeConfig(store, "n", () => ({ sources: [], findings: [] }));
  for (let round = 1; round <= 20; round++)
    await Promise.all([
      changeNodeConfig(store, "n", (before) => ({ sources: [], findings: [], ...before, hash: `${round}` })),
      changeNodeConfig(store, "n", (before) => before && { ...before, interfaces: [eni(round)] }),
      changeNodeConfig(store, "n", (before) => before && { ...before, zone: `z${round}` }),
    ]);
  expect((await store.get(nodeConfigKind, "n"))?.status).toMatchObject({
    hash: "20",
    zone: "z20",
    interfaces: [{ id: "eni-1", used: 20 }],
  });
});

it("says of a node that was never configured what was read last, and null for what is not known", async () => {
  const store = memoryStore();
  const node = await store.create(nodeKind, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n", labels: { "topology.kubernetes.io/zone": "g" } },
  } as unknown as Node);
  const manager = new ConfigManager({
    node: "n",
    store,
    events: { record: () => {} },
    logger: silent,
    now: () => 0,
  });
  const look = async (eniConf: string | undefined) => {
    const metadata = { namespace: "kube-system", name: "eni-config", resourceVersion: "7" };
    const map = {
      metadata,
      data: eniConf === undefined ? {} : { eni_conf: eniConf },
    } as unknown as ConfigMap;
    const configMaps = new Map(eniConf === undefined ? [] : [["kube-system/eni-config", map]]);
    const subnets = new Map([["vsw-h", { spec: { zone: "h" } } as never]]);
    await manager.resync({ ...emptyFacts(), nodes: new Map([["n", node]]), configMaps, subnets }, {
      node: "n",
    } as never);
  };
  await look(undefined);
  await expect.poll(async () => (await store.get(nodeConfigKind, "n"))?.status?.sources).toEqual([]);
  await look('{"vswitches": {"h": ["vsw-h"]}}');
  await expect
    .poll(async () => (await store.get(nodeConfigKind, "n"))?.status)
    .toEqual({
      sources: [{ configMap: "kube-system/eni-config", resourceVersion: "7" }],
      hash: null,
      since: null,
      config: null,
      zone: "g",
      vSwitchIDs: [],
      securityGroupIDs: [],
      findings: [],
    });
  await manager.stop();
});
