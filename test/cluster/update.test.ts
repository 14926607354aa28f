// Agents are replaced while packets flow each millisecond: none is lost, and no pod is open for a moment.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster, eventually, nodes, type PodObject } from "./cluster.ts";
import { onlyFrom, podNamed, pool, waitingPod } from "./pods.ts";

let cluster: Cluster;
let near: PodObject;
let far: PodObject;
let same: PodObject;
const addressOf = (pod: PodObject) => pod.status.podIP ?? "";

beforeAll(async () => {
  cluster = await Cluster.up();
  await cluster.apply(JSON.stringify(pool));
  // What flows passes rules of policies on its way.
  const labels = { app: "flow" };
  await cluster.apply(JSON.stringify(onlyFrom(labels, labels)));
  await cluster.apply(JSON.stringify(onlyFrom({ app: "shut" })));
  for (const [name, node] of [
    ["near", nodes[0]],
    ["far", nodes[1]],
    ["same", nodes[0]],
  ] as const)
    await cluster.apply(JSON.stringify(waitingPod(name, { node, labels })));
  await cluster.readyPods("default", "app=flow", 3);
  near = await podNamed(cluster, "near");
  far = await podNamed(cluster, "far");
  same = await podNamed(cluster, "same");
}, 1_800_000);
afterAll(async () => {
  if (cluster !== undefined) expect(await cluster.down()).toEqual([]);
}, 600_000);

const agentsOn = async (node: string) =>
  (await cluster.pods("kube-system", "app.kubernetes.io/component=agent")).filter(
    ({ spec }) => spec.nodeName === node,
  );

it("a rolling update loses no packet, and a new pod is never open", async () => {
  const flows = [
    cluster.flow(near, addressOf(far)),
    cluster.flow(far, addressOf(near)),
    cluster.flow(near, addressOf(same)),
  ];
  // Nobody has these addresses yet; who takes them lets nobody in.
  const shut = nodes.map((node, at) => ({ node, name: `shut${at}`, address: `10.1.200.${at * 16 + 5}` }));
  const knocking = shut.map(({ address }) => cluster.flow(near, address));
  const before = new Set((await Promise.all(nodes.map(agentsOn))).flat().map(({ metadata }) => metadata.uid));
  await cluster.kube("rollout", "restart", "daemonset/trunkline-agent", "-n", "kube-system");
  for (const { node, name, address } of shut) {
    const annotations = { "cni.projectcalico.org/ipAddrs": JSON.stringify([address]) };
    await cluster.apply(JSON.stringify(waitingPod(name, { node, labels: { app: "shut" }, annotations })));
  }
  await cluster.kube("rollout", "status", "daemonset/trunkline-agent", "-n", "kube-system", "--timeout=20m");
  const ready = await cluster.readyPods("default", "app=shut", nodes.length);
  expect(ready.map(addressOf).toSorted()).toEqual(shut.map(({ address }) => address).toSorted());
  const after = (await Promise.all(nodes.map(agentsOn))).flat();
  expect(after.filter(({ metadata }) => before.has(metadata.uid))).toEqual([]);
  for (const flow of flows) {
    const { sent, answers, longestGapMs } = await flow.end();
    expect(sent).toBeGreaterThan(1000);
    expect(answers, `of ${sent}, the longest gap was ${longestGapMs} ms`).toBe(sent);
  }
  for (const flow of knocking) expect(await flow.end()).toMatchObject({ answers: 0 });
  // The same knock is answered once the policy is gone: it was that which kept it out.
  await cluster.kube("delete", "networkpolicy", "to-shut");
  await eventually("a new pod answers", async () => {
    const knock = cluster.flow(near, addressOf(ready[0]!));
    await sleep(500);
    return (await knock.end()).answers > 0 ? true : undefined;
  });
}, 2_400_000);
