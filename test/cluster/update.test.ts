// Agents are replaced while packets flow each millisecond: none is lost, and no pod is open for a moment. And an agent that starts
// without an API server puts the node into force as it was.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster, eventually, nodes, type PodObject } from "./cluster.ts";
import { findsNothing, onlyFrom, podNamed, pool, waitingPod } from "./pods.ts";

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
  await eventually("a new pod answers", async () =>
    (await answersTo(near, ready[0]!)) > 0 ? true : undefined,
  );
}, 2_400_000);

/** What an agent writes into a node's kernel, without what counters say. */
async function writtenOn(node: string) {
  const routes = (await cluster.inNode(node, "ip", "route", "show", "proto", "84")).stdout.split("\n");
  const rules = (await cluster.inNode(node, "nft", "-s", "list", "table", "inet", "trunkline")).stdout;
  return {
    routes: routes.map((line) => line.trim()).toSorted(),
    rules: rules.split("\n").toSorted(),
  };
}

async function answersTo(from: PodObject, to: PodObject): Promise<number> {
  const { sent, answers } = await cluster.echoes(from, addressOf(to));
  expect(sent).toBeGreaterThan(0);
  return answers;
}

it("an agent that starts without an API server writes routes and policies from disk, and is in sync when it is back", async () => {
  const [node] = nodes;
  const [shut, late] = [{ app: "closed" }, { app: "late" }];
  await cluster.apply(JSON.stringify(onlyFrom(shut)));
  await cluster.apply(JSON.stringify(waitingPod("closed", { node, labels: shut })));
  const [closed] = await cluster.readyPods("default", "app=closed", 1);
  const [agent] = await agentsOn(node);
  // A new pod's rules are in force when it starts, and what the API says of it comes later.
  let before = await writtenOn(node);
  await eventually("nothing changes any more", async () => {
    const last = before;
    await sleep(3000);
    before = await writtenOn(node);
    expect(before).toEqual(last);
    return true;
  });
  expect(before.routes.filter((line) => / via /.test(line)).length).toBeGreaterThan(0);
  cluster.kill("control-api");
  try {
    // As after a boot, a kernel that knows nothing. Its kubelet starts the agent again, sandbox and all.
    for (const pid of cluster.processesOf(agent!)) process.kill(pid, "SIGKILL");
    await cluster.inNode(node, "nft", "delete", "table", "inet", "trunkline");
    await cluster.inNode(node, "ip", "route", "flush", "proto", "84");
    expect(await writtenOn(node)).toEqual({ routes: [""], rules: [""] });
    await eventually("routes and policies are as before", async () => {
      expect(await writtenOn(node)).toEqual(before);
      return true;
    });
    expect(await answersTo(near, far)).toBeGreaterThan(0);
    expect(await answersTo(far, same)).toBeGreaterThan(0);
    expect(await answersTo(far, closed!)).toBe(0);
  } finally {
    await cluster.startAgain("control-api");
  }
  // What is made now is in force: the agent follows again.
  await cluster.answers();
  await cluster.kube("delete", "networkpolicy", "to-closed");
  await eventually("the pod that was closed answers", async () =>
    (await answersTo(far, closed!)) > 0 ? true : undefined,
  );
  await cluster.apply(JSON.stringify(onlyFrom(late)));
  await cluster.apply(JSON.stringify(waitingPod("late", { node, labels: late })));
  const [shutLate] = await cluster.readyPods("default", "app=late", 1);
  expect(await answersTo(far, shutLate!)).toBe(0);
  await cluster.readyPods("kube-system", "app.kubernetes.io/component=agent", nodes.length);
  await findsNothing(cluster);
}, 2_400_000);
