// Provider `vlan`: two nodes on a switch, a router with the subnet's gateway behind it, and nobody to ask but the store.
// Untagged everywhere; tagged (802.1Q) where the kernel has it: the virtual machine runs this file, too, and asks for that.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { probe } from "../../src/agent/probe/client.ts";
import { standardParts } from "../../src/agent/standard.ts";
import { configMapKind, nodeKind, type Pod, podKind } from "../../src/api/kinds/core.ts";
import { subnetKind } from "../../src/api/kinds/subnet.ts";
import { subnetLedgerKind } from "../../src/api/kinds/subnet-ledger.ts";
import { isError } from "../../src/base/errors.ts";
import { silent } from "../../src/base/log.ts";
import { VlanLinks } from "../../src/cloud/vlan/links.ts";
import { vlanProvider } from "../../src/cloud/vlan/provider.ts";
import type { CniResult } from "../../src/cni/spec.ts";
import { type Kernel, linuxMachine } from "../../src/kernel/index.ts";
import { TestNode } from "./agent-node.ts";

const GATEWAY = "10.8.0.253";
const ZONE = "topology.kubernetes.io/zone";
const machine = linuxMachine();

/** Whether this kernel has 802.1Q; the machine that was made for it must. */
function hasVlans(): boolean {
  const name = `tl-test-${process.pid}-q`;
  machine.createNetns(name);
  const kernel = machine.open({ name });
  try {
    const lower = kernel.links.add({ kind: "veth", name: "a", peer: { name: "b" } }).index;
    kernel.links.add({ kind: "vlan", name: "v", lower, vlanId: 5 });
    return true;
  } catch (error) {
    if (isError(error, "kernel.refused") && process.env["TRUNKLINE_VM"] !== "1") return false;
    throw error;
  } finally {
    kernel.close();
    void machine.removeNetns(name);
  }
}

const vlans: readonly (number | undefined)[] = hasVlans() ? [undefined, 101] : [undefined];

describe.each(vlans.map((vlan) => ({ vlan })))("pods of a subnet with VLAN $vlan", ({ vlan }) => {
  const nodes: TestNode[] = [];
  const handles: Kernel[] = [];
  const outside = `tl-test-${process.pid}-out`;
  let router: Kernel;
  const open = (name: string) => {
    const kernel = machine.open({ name });
    handles.push(kernel);
    return kernel;
  };
  const waiting = async (holds: () => Promise<boolean> | boolean) => {
    for (let left = 300; left > 0 && !(await holds()); left--)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await holds()).toBe(true);
  };

  beforeEach(async () => {
    machine.createNetns(outside);
    router = open(outside);
    const bridge = router.links.add({ kind: "bridge", name: "sw", up: true });
    const lower = bridge.index;
    const on =
      vlan === undefined
        ? bridge
        : router.links.add({ kind: "vlan", name: "v", lower, vlanId: vlan, up: true });
    router.addresses.add({ linkIndex: on.index, address: `${GATEWAY}/24`, scope: "global" });
    router.sysctl.set("net/ipv4/ip_forward", "1");
    const [first] = [new TestNode()];
    nodes.push(first, new TestNode());
    const { store } = first;
    for (const node of nodes) Object.assign(node, { store });
    await store.create(subnetKind, {
      apiVersion: subnetKind.apiVersion,
      kind: "Subnet",
      metadata: { name: "vsw-1" },
      spec: {
        zone: "h",
        cidr: "10.8.0.0/24",
        ...(vlan !== undefined && { vlan }),
        parents: [{ interface: "trunk0" }],
      },
    });
    const settings = { vswitches: { h: ["vsw-1"] }, max_pool_size: 1 };
    await store.create(configMapKind, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "eni-config", namespace: "kube-system" },
      data: { eni_conf: JSON.stringify(settings) },
    });
    for (const [at, node] of nodes.entries()) {
      await start(node);
      const peer = { name: `p${at}`, netns: { name: outside }, up: true };
      const kernel = open(node.netns);
      kernel.links.add({ kind: "veth", name: "trunk0", up: true, peer });
      router.links.change(`p${at}`, { master: bridge.index });
      const object = (await store.get(nodeKind, node.name))!;
      await store.update(nodeKind, { ...object, metadata: { ...object.metadata, labels: { [ZONE]: "h" } } });
      await node.agent?.ready;
    }
  });
  afterEach(async () => {
    for (const handle of handles.splice(0)) handle.close();
    for (const node of nodes.splice(0)) await node.stop();
    await machine.removeNetns(outside);
  });

  const start = (node: TestNode) =>
    node.start({
      ...standardParts,
      logger: silent,
      addressCooldownMs: 100,
      cloud: {
        provider: vlanProvider({ store: node.store, securityGroupIDs: [] }),
        cluster: "t",
        machinesAreNodes: true,
        plugs: ({ facts, node: name }) =>
          new VlanLinks({ subnets: facts.subnets, node: () => facts.nodes.get(name) }),
      },
    });
  const envOf = (node: TestNode, name: string, uid = "") => ({
    CNI_CONTAINERID: name,
    CNI_NETNS: `/run/netns/tl-test-${node.name}-${name}`,
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_UID=${uid}`,
  });
  async function add(node: TestNode, name: string): Promise<string> {
    const pod: Omit<Pod, "metadata"> & { metadata: { name: string; namespace: string } } = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: { nodeName: node.name, containers: [{ name: "c" }] },
    };
    const { metadata } = await node.store.create(podKind, pod);
    node.pod(name);
    let result: CniResult | undefined;
    // As a kubelet, until the node has heard of its configuration.
    for (let left = 20; left > 0 && !result?.ips; left--) {
      const { code, stdout } = await node.cni("ADD", envOf(node, name, metadata.uid));
      result = code === 0 ? (JSON.parse(stdout) as CniResult) : undefined;
      if (code !== 0) await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return result?.ips?.[0]?.address.split("/")[0] ?? "none";
  }
  const reaches = async (kernel: Kernel, to: string, timeoutMs = 3000) =>
    (await probe({ kernel, to, protocol: "ICMP", timeoutMs })).reachable;

  it("reach their gateway, are reached from behind it, and reach each other by their own addresses", async () => {
    const [a, b] = nodes as [TestNode, TestNode];
    const [first, second] = [await add(a, "x"), await add(b, "y")];
    expect(first).toMatch(/^10\.8\.0\./);
    expect(second).toMatch(/^10\.8\.0\./);
    expect(second).not.toBe(first);
    const pod = open(`tl-test-${a.name}-x`);
    expect(await reaches(router, first)).toBe(true);
    expect(await reaches(router, second)).toBe(true);
    expect(await reaches(pod, GATEWAY)).toBe(true);
    expect(await reaches(pod, second)).toBe(true);
  });

  it("give an address back that another node's pod has next, and the gateway knows at once", async () => {
    const [a, b] = nodes as [TestNode, TestNode];
    const first = await add(a, "x");
    expect(await reaches(router, first)).toBe(true);
    await a.cni("DEL", envOf(a, "x"));
    await a.store.delete(podKind, "x", "default");
    // Idle ones that nobody keeps go back, with their interface.
    const config = (await a.store.get(configMapKind, "eni-config", "kube-system"))!;
    const data = { eni_conf: JSON.stringify({ vswitches: { h: ["vsw-1"] }, max_pool_size: 0 }) };
    await a.store.update(configMapKind, { ...config, data });
    await waiting(async () => (await a.store.get(subnetLedgerKind, "vsw-1"))?.spec.interfaces.length === 0);
    await waiting(
      () =>
        !open(a.netns)
          .links.list()
          .some(({ kind }) => kind === "macvlan" || kind === "vlan"),
    );
    // The first node had a spare one beside it, and which of the two its pod got is not said.
    expect([await add(b, "y"), await add(b, "z")]).toContain(first);
    expect(await reaches(router, first)).toBe(true);
  });

  if (vlan !== undefined)
    it("are on that VLAN and on no other", async () => {
      const [a] = nodes as [TestNode];
      const address = await add(a, "x");
      expect(await reaches(router, address)).toBe(true);
      await router.links.remove("v");
      const lower = router.links.get("sw")?.index ?? 0;
      router.addresses.add({ linkIndex: lower, address: `${GATEWAY}/24`, scope: "global" });
      expect(await reaches(router, address, 1500)).toBe(false);
      router.addresses.remove({ linkIndex: lower, address: `${GATEWAY}/24`, scope: "global" });
      const other = router.links.add({ kind: "vlan", name: "w", lower, vlanId: 102, up: true });
      router.addresses.add({ linkIndex: other.index, address: `${GATEWAY}/24`, scope: "global" });
      expect(await reaches(router, address, 1500)).toBe(false);
    });
});
