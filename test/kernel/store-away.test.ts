// A node whose kernel has lost everything, and whose agent starts while the store is away: it goes by its copy on disk.
import { afterEach, beforeEach, expect, it } from "vitest";
import { standardParts } from "../../src/agent/standard.ts";
import { type AddressBlock, addressBlockKind } from "../../src/api/kinds/address-block.ts";
import { namespaceKind, nodeKind, podKind } from "../../src/api/kinds/core.ts";
import { type IPPool, ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { type NetworkPolicy, networkPolicyKind } from "../../src/api/kinds/network-policy.ts";
import type { Draft } from "../../src/api/object.ts";
import { TrunklineError } from "../../src/base/errors.ts";
import { run } from "../../src/kernel/exec/index.ts";
import type { Store } from "../../src/store/store.ts";
import { TestNode } from "./agent-node.ts";
import { pings } from "./pings.ts";

const policyOf = (name: string, app: string, from: string): Draft<NetworkPolicy> => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: "default" },
  spec: {
    podSelector: { matchLabels: { app } },
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }] }],
  },
});

let node: TestNode;
let away: boolean;

/** The node's store, which refuses while it is away. */
function store(): Store {
  return new Proxy(node.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "close" || !away) return value.bind(target) as unknown;
      return () => {
        throw new TrunklineError("store.unreachable", { place: "the store", why: "it is away" });
      };
    },
  });
}

beforeEach(async () => {
  node = new TestNode();
  away = false;
  await node.store.create(namespaceKind, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "default" },
  });
  const pool: Draft<IPPool> = {
    apiVersion: "projectcalico.org/v3",
    kind: "IPPool",
    metadata: { name: "pool" },
    spec: { cidr: "10.9.0.0/16", natOutgoing: true },
  };
  await node.store.create(ipPoolKind, pool);
  await node.store.create(nodeKind, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "other" },
    status: { addresses: [{ type: "InternalIP", address: "192.168.77.2" }] },
  });
  const block: Draft<AddressBlock> = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressBlock",
    metadata: { name: "10-9-64-0-26" },
    spec: { cidr: "10.9.64.0/26", pool: "pool", node: "other", state: "confirmed" },
  };
  await node.store.create(addressBlockKind, block);
  await node.store.create(networkPolicyKind, policyOf("db", "db", "web"));
  for (const [name, app] of [
    ["db", "db"],
    ["web", "web"],
    ["far", "far"],
  ] as const)
    await node.store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default", labels: { app } },
      spec: { nodeName: node.name, containers: [{ name: "c", image: "x" }] },
    });
});
afterEach(() => node.stop());

const start = () => node.start({ ...standardParts, addresses: async () => node.addresses, store: store() });
const inNode = async (...words: string[]) =>
  (await run(words[0] ?? "", words.slice(1), { netns: { name: node.netns } })).stdout;

async function plug(name: string): Promise<string> {
  const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_INFRA_CONTAINER_ID=${name}`;
  const added = await node.cni("ADD", { CNI_CONTAINERID: name, CNI_NETNS: node.pod(name), CNI_ARGS: args });
  expect(added).toMatchObject({ code: 0 });
  const { ips } = JSON.parse(added.stdout) as { ips: { address: string }[] };
  const ip = ips[0]?.address.split("/")[0] ?? "";
  const pod = (await node.store.get(podKind, name, "default"))!;
  await node.store.update(podKind, { ...pod, status: { phase: "Running", podIP: ip, podIPs: [{ ip }] } });
  return ip;
}

const passes = (from: string, to: string) =>
  pings(node.machine, `${node.netns}-${from}`, to, { timeoutMs: 1000 });

/** What the agent has written into the kernel, without counters and handles. */
async function written() {
  const routes = (await inNode("ip", "route", "show", "proto", "84")).split("\n").map((line) => line.trim());
  const rules = (await inNode("nft", "-s", "list", "table", "inet", "trunkline")).split("\n");
  return { routes: routes.toSorted(), rules: rules.toSorted() };
}

/** As after a boot. */
async function loseAll(): Promise<void> {
  await inNode("nft", "flush", "ruleset");
  await inNode("ip", "route", "flush", "proto", "84");
}

it("has rules and routes from disk while the store is away, and follows the store once it is back", async () => {
  const agent = await start();
  await agent.ready;
  const db = await plug("db");
  await plug("web");
  await plug("far");
  await expect.poll(() => passes("web", db), { timeout: 10_000 }).toBe(true);
  expect(await passes("far", db)).toBe(false);
  const before = await written();
  expect(before.routes.join()).toContain("10.9.64.0/26 via 192.168.77.2");

  await agent.stop();
  await loseAll();
  away = true;
  const next = await start();
  await expect.poll(written, { timeout: 10_000 }).toEqual(before);
  expect(await passes("web", db)).toBe(true);
  expect(await passes("far", db)).toBe(false);
  // Nobody can tell what a new pod is.
  expect(next.notReady()).toContain("the cluster's objects have not been read yet");

  // What has changed meanwhile is in force once the store answers.
  await node.store.delete(networkPolicyKind, "db", "default");
  await node.store.create(networkPolicyKind, policyOf("db2", "db", "far"));
  away = false;
  await next.ready;
  await expect.poll(() => passes("far", db), { timeout: 10_000 }).toBe(true);
  expect(await passes("web", db)).toBe(false);
});

it("goes by a change that came just before the agent ended", async () => {
  const agent = await start();
  await agent.ready;
  await plug("db");
  const web = await plug("web");
  await expect.poll(() => passes("db", web), { timeout: 10_000 }).toBe(true);
  await node.store.create(networkPolicyKind, policyOf("web", "web", "nobody"));
  await expect.poll(() => passes("db", web), { timeout: 10_000, interval: 0 }).toBe(false);
  await agent.stop();
  await loseAll();
  away = true;
  await start();
  await expect.poll(() => inNode("nft", "list", "ruleset"), { timeout: 10_000 }).toContain("policy-in");
  expect(await passes("db", web)).toBe(false);
});
