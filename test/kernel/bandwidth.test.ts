// Limits of what pods send and receive, by the kernel's own counts: a burst that is larger than bucket and queue together
// loses what is beyond them, and what was not limited loses nothing.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClusterWatch } from "../../src/agent/cluster-watch.ts";
import { hostInterfaceName } from "../../src/agent/pods/endpoint.ts";
import { eventKind, type Pod, podKind } from "../../src/api/kinds/core.ts";
import { silent } from "../../src/base/log.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { TestNode } from "./agent-node.ts";

/** For experiments (RFC 3692): no program answers it. */
const PROTOCOL = 253;
const PACKETS = 150;
const BYTES = 1000;
const NODE = "192.168.77.1";
const ingress = "kubernetes.io/ingress-bandwidth";
const egress = "k8s.aliyun.com/egress-bandwidth";

let node: TestNode;
let cluster: ClusterWatch;
const handles: Kernel[] = [];

beforeEach(async () => {
  node = new TestNode();
  cluster = new ClusterWatch(node.store, silent);
  await cluster.start();
});
afterEach(async () => {
  for (const handle of handles.splice(0)) handle.close();
  await node.stop();
  await cluster.stop();
});

function open(name: string): Kernel {
  const kernel = node.machine.open({ name });
  handles.push(kernel);
  return kernel;
}

async function until(holds: () => boolean): Promise<void> {
  for (let left = 400; left > 0 && !holds(); left--) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(holds()).toBe(true);
}

async function add(name: string, annotations: Record<string, string>) {
  await node.store.create(podKind, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", annotations },
    spec: { nodeName: node.name, containers: [{ name: "c" }] },
  });
  await until(() => cluster.facts.pods.has(`default/${name}`));
  return await node.cni("ADD", {
    CNI_CONTAINERID: name,
    CNI_NETNS: node.pod(name),
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
  });
}

const hostLimit = (name: string) => {
  const kernel = open(node.netns);
  const index = kernel.links.get(hostInterfaceName(name, "eth0"))?.index;
  return kernel.rateLimits.list().find(({ linkIndex }) => linkIndex === index);
};
const podLimit = (name: string) => open(`${node.netns}-${name}`).rateLimits.list()[0];

/** Sends a burst and returns how many of it came while nothing more came for a while. */
async function burst(from: Kernel, to: Kernel, address: string): Promise<number> {
  const [sender, receiver] = [from.sockets.openRaw(4, PROTOCOL), to.sockets.openRaw(4, PROTOCOL)];
  let came = 0;
  const receiving = to.sockets.receiveRaw(receiver, () => {
    came++;
  });
  try {
    for (let n = 0; n < PACKETS; n++) {
      from.sockets.sendRaw(sender, address, new Uint8Array(BYTES));
      // The receiver's own buffer holds fewer than all.
      if (n % 25 === 24) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    return came;
  } finally {
    receiving.stop();
    from.sockets.close(sender);
    to.sockets.close(receiver);
  }
}

describe("a pod's bandwidth", () => {
  it("is limited in each direction by its own annotation, and in no other", async () => {
    await (await node.start({ cluster })).ready;
    // 1,000 bytes a second: beyond bucket and queue, a burst has no chance.
    expect(await add("in", { [ingress]: "8k" })).toMatchObject({ code: 0 });
    expect(await add("out", { [egress]: "1000B" })).toMatchObject({ code: 0 });
    expect(await add("free", {})).toMatchObject({ code: 0 });
    expect([hostLimit("in")?.bytesPerSecond, podLimit("in")]).toEqual([1000, undefined]);
    expect([hostLimit("out"), podLimit("out")?.bytesPerSecond]).toEqual([undefined, 1000]);
    expect([hostLimit("free"), podLimit("free")]).toEqual([undefined, undefined]);

    const host = open(node.netns);
    const pod = (name: string) => open(`${node.netns}-${name}`);
    expect(await burst(pod("in"), host, NODE)).toBe(PACKETS);
    expect(await burst(host, pod("out"), "10.9.0.2")).toBe(PACKETS);
    expect(await burst(host, pod("free"), "10.9.0.3")).toBe(PACKETS);
    expect(await burst(host, pod("in"), "10.9.0.1")).toBeLessThan(PACKETS / 2);
    expect(await burst(pod("out"), host, NODE)).toBeLessThan(PACKETS / 2);
    expect(hostLimit("in")?.drops).toBeGreaterThan(PACKETS / 2);
    expect(podLimit("out")?.drops).toBeGreaterThan(PACKETS / 2);
  });

  it("follows the annotations while the pod runs, and is put back when somebody takes it away", async () => {
    const agent = await node.start({ cluster, resyncSeconds: 0.2 });
    await agent.ready;
    await add("p", { [ingress]: "8M", [egress]: "1M" });
    const change = async (annotations: Record<string, string>) => {
      const pod = (await node.store.get(podKind, "p", "default")) as Pod;
      await node.store.update(podKind, { ...pod, metadata: { ...pod.metadata, annotations } });
    };
    await change({ [ingress]: "16M" });
    await until(() => hostLimit("p")?.bytesPerSecond === 2_000_000 && podLimit("p") === undefined);
    const kernel = open(node.netns);
    kernel.rateLimits.remove(kernel.links.get(hostInterfaceName("p", "eth0"))?.index ?? 0);
    await until(() => hostLimit("p")?.bytesPerSecond === 2_000_000);

    // What cannot be read changes nothing, and is told.
    await change({ [ingress]: "fast" });
    const told = async () =>
      (await node.store.list(eventKind)).items.find(({ reason }) => reason === "BandwidthInvalid")?.message;
    for (let left = 200; left > 0 && (await told()) === undefined; left--)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await told()).toMatch(/kubernetes.io\/ingress-bandwidth of pod default\/p is 'fast'.*stays/);
    expect(hostLimit("p")?.bytesPerSecond).toBe(2_000_000);
    await change({});
    await until(() => hostLimit("p") === undefined);
  });

  it("is known to an agent that was killed, also where the annotation went meanwhile", async () => {
    await (await node.start({ cluster })).ready;
    await add("p", { [ingress]: "8M", [egress]: "1M" });
    await node.agent?.stop();
    const pod = (await node.store.get(podKind, "p", "default")) as Pod;
    const annotations = { [ingress]: "8M" };
    await node.store.update(podKind, { ...pod, metadata: { ...pod.metadata, annotations } });
    await (await node.start({ cluster })).ready;
    await until(() => podLimit("p") === undefined);
    expect(hostLimit("p")?.bytesPerSecond).toBe(1_000_000);
  });

  it("that cannot be read keeps the pod from starting, with the reason, and leaves nothing behind", async () => {
    const agent = await node.start({ cluster });
    await agent.ready;
    const refused = await add("p", { [egress]: "1000" });
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({
      code: 7,
      details: expect.stringMatching(/egress-bandwidth of pod default\/p is '1000'.*with a unit/),
    });
    await agent.endpoints.settled();
    expect(node.addresses.owners()).toEqual([]);
    expect(open(node.netns).links.get(hostInterfaceName("p", "eth0"))).toBeUndefined();
  });
});
