// What goes leaves nothing held: Deployments, namespaces and nodes, by kubectl alone.
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster, eventually } from "./cluster.ts";
import { deploymentOf, findsNothing, pool } from "./pods.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.up();
  await cluster.apply(JSON.stringify(pool));
}, 3_600_000);
afterAll(async () => {
  if (cluster !== undefined) expect(await cluster.down()).toEqual([]);
}, 1_200_000);

interface Shown {
  readonly addresses: readonly { readonly address: string; readonly pod: string; readonly node: string }[];
  readonly blocks: readonly { readonly block: string; readonly node: string }[];
}
/** What is held by the cluster's objects and by the nodes' journals. */
const shown = async (): Promise<Shown> => {
  const words = ["ipam", "show", "--blocks", "--addresses", "--state", cluster.journals(), "-o", "json"];
  return JSON.parse((await cluster.trunkline(...words)).stdout) as Shown;
};

/** Links of pods that a node has. */
const wiresOf = async (node: string) =>
  (await cluster.inNode(node, "ip", "-o", "link")).stdout.match(/ tl[0-9a-f]{13}@/g) ?? [];

async function deployed(namespace: string, replicas: number): Promise<void> {
  if ((await cluster.kubectl(["get", "namespace", namespace])).code !== 0)
    await cluster.kube("create", "namespace", namespace);
  await cluster.apply(JSON.stringify(deploymentOf("many", replicas)), "-n", namespace);
  await cluster.readyPods(namespace, "app=many", replicas);
}

it("a Deployment and a namespace that are deleted leave no address, no link and no finding", async () => {
  for (const namespace of ["first", "second"]) await deployed(namespace, 9);
  expect((await shown()).addresses.length).toBeGreaterThanOrEqual(18);
  await cluster.kube("delete", "deployment", "many", "-n", "first");
  await cluster.kube("delete", "namespace", "second");
  const { stdout } = await cluster.kubectl(["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"]);
  for (const node of stdout.split(" "))
    await eventually(`${node} has no pod's link`, async () =>
      (await wiresOf(node)).length === 0 ? true : undefined,
    );
  await eventually("no address is held", async () => {
    const held = (await shown()).addresses;
    return held.length === 0 ? true : Promise.reject(new Error(JSON.stringify(held)));
  });
  await findsNothing(cluster);
}, 1_800_000);

it("a node that is deleted gives back its blocks, and the others forget the way to it", async () => {
  await deployed("third", 9);
  expect((await shown()).blocks.map(({ node }) => node)).toContain("node3");
  // As if the machine were switched off: what runs on it ends without a farewell.
  for (const name of ["kubelet", "proxy", "containerd"]) cluster.kill(`node3-${name}`);
  cluster.endContainersOf("node3");
  const before = (await cluster.inNode("node1", "ip", "route")).stdout;
  expect(before).toContain("192.168.66.13");
  await cluster.kube("delete", "node", "node3");
  await eventually("node3 holds no block", async () => {
    const left = (await shown()).blocks.filter(({ node }) => node === "node3");
    return left.length === 0 ? true : Promise.reject(new Error(JSON.stringify(left)));
  });
  await eventually("node1 has no route by node3", async () =>
    (await cluster.inNode("node1", "ip", "route")).stdout.includes("192.168.66.13") ? undefined : true,
  );
  await cluster.readyPods("third", "app=many", 9);
  await cluster.kube("delete", "namespace", "third");
  await findsNothing(cluster);
}, 1_800_000);
