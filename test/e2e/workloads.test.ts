// Workloads, nodes' labels and taints, and pods that are deleted, as a user of Kubernetes knows them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Pod } from "../../src/api/kinds/core.ts";
import { Commands } from "./trunkline.ts";

const lab = `
name: workloads
networks: [{name: nodes, cidr: 192.168.18.0/24}]
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12, labels: {disk: ssd}}
  - {name: node3, address: 192.168.18.13, taints: [{key: only, value: db, effect: NoSchedule}]}
`;

const template = (app: string, more = "") =>
  `{metadata: {labels: {app: ${app}}}, spec: {${more}containers: [{name: c, ports: [{containerPort: 80}]}]}}`;
const workload = (kind: string, name: string, replicas: number, more = "") =>
  `apiVersion: apps/v1\nkind: ${kind}\nmetadata: {name: ${name}}\n` +
  `spec: {replicas: ${replicas}, selector: {matchLabels: {app: ${name}}}, template: ${template(name, more)}}\n`;
const pod = (name: string, more = "", labels = "") =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {${labels}}}\n` +
  `spec: {${more}containers: [{name: c, ports: [{containerPort: 80}]}]}\n`;

const trunkline = new Commands();
const file = (name: string, ...documents: string[]) => trunkline.file(name, documents.join("---\n"));
const apply = (name: string, ...documents: string[]) =>
  trunkline.ask("apply", "-f", file(name, ...documents));

beforeAll(async () => {
  await trunkline.up(file("lab.yaml", lab));
  await apply(
    "pool.yaml",
    "apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: pods}\nspec: {cidr: 10.1.0.0/16}\n",
  );
});
afterAll(() => trunkline.end());

const pods = async (...words: string[]): Promise<Pod[]> =>
  (await trunkline.json<{ items: Pod[] }>("get", "pods", ...words)).items;
const ready = (...words: string[]) => trunkline.ask("wait", "--for", "ready", ...words, "--timeout", "30s");
const nodesOf = (list: readonly Pod[]) =>
  [...new Set(list.map((one) => one.spec.nodeName ?? "none"))].toSorted();

describe("where pods run", () => {
  it("honours nodeSelector, taints and tolerations, and says why a pod waits", async () => {
    const tolerant = "tolerations: [{key: only, operator: Equal, value: db, effect: NoSchedule}], ";
    await apply(
      "where.yaml",
      workload("Deployment", "plain", 6),
      pod("on-ssd", "nodeSelector: {disk: ssd}, "),
      pod("tolerant", `${tolerant}nodeSelector: {kubernetes.io/hostname: node3}, `),
      pod("intolerant", "nodeSelector: {kubernetes.io/hostname: node3}, "),
    );
    await ready("deploy/plain", "pod/on-ssd", "pod/tolerant");
    expect(nodesOf(await pods("-l", "app=plain"))).toEqual(["node1", "node2"]);
    const placed = new Map((await pods()).map((one) => [one.metadata.name, one]));
    expect(placed.get("on-ssd")?.spec.nodeName).toBe("node2");
    expect(placed.get("tolerant")?.spec.nodeName).toBe("node3");
    expect(placed.get("intolerant")).toMatchObject({ status: { phase: "Pending" } });
    const waited = await trunkline.say(
      "wait",
      "--for",
      "ready",
      "pod/intolerant",
      "--timeout",
      "50ms",
      "--lab",
      trunkline.lab,
    );
    expect(waited.code).toBe(1);
    expect(waited.stderr).toMatch(/pod\/(default\/)?intolerant: Pending: 0\/3 nodes are available/);
    expect(await trunkline.ask("describe", "pod", "intolerant")).toMatch(/FailedScheduling .*taint/);
    await trunkline.ask("delete", "deploy/plain", "pod/on-ssd", "pod/tolerant", "pod/intolerant");
    expect(await pods()).toEqual([]);
  });
});

describe("who replaces pods", () => {
  it("a Deployment by new names, a StatefulSet by the same one, nobody a bare pod", async () => {
    await apply("all.yaml", workload("Deployment", "web", 2), workload("StatefulSet", "db", 3), pod("bare"));
    await ready("--all");
    const sets = await pods("-l", "app=db");
    expect(sets.map((one) => one.metadata.name).toSorted()).toEqual(["db-0", "db-1", "db-2"]);
    expect(sets[0]?.metadata.ownerReferences?.[0]).toMatchObject({ kind: "StatefulSet", name: "db" });
    const [gone, stays] = await pods("-l", "app=web");
    const uid = sets.find((one) => one.metadata.name === "db-1")!.metadata.uid;
    await trunkline.ask("delete", "pod", gone!.metadata.name, "db-1", "bare");
    await ready("deploy/web", "sts/db");
    const names = (await pods()).map((one) => one.metadata.name);
    expect(names).toHaveLength(5);
    expect(names).toEqual(expect.arrayContaining(["db-0", "db-1", "db-2", stays!.metadata.name]));
    expect(names).not.toContain(gone!.metadata.name);
    expect((await pods("-l", "app=db")).find((one) => one.metadata.name === "db-1")?.metadata.uid).not.toBe(
      uid,
    );
    expect((await trunkline.say("get", "pod", "bare", "--lab", trunkline.lab)).code).toBe(1);

    await trunkline.ask("scale", "sts/db", "--replicas", "1");
    await expect
      .poll(async () => (await pods("-l", "app=db")).map((one) => one.metadata.name))
      .toEqual(["db-0"]);
    await trunkline.ask("delete", "deploy/web", "sts/db");
    await trunkline.ask("wait", "--for", "delete", "pod", "--all");
    expect(await trunkline.json("ipam", "check")).toMatchObject({ ok: true, addresses: 0 });
  });
});

describe("a running pod", () => {
  it("takes new labels without a restart, and refuses another specification", async () => {
    await apply("one.yaml", pod("one", "", "app: a"));
    await ready("pod/one");
    const [before] = await pods();
    expect(await apply("one.yaml", pod("one", "", "app: a"))).toContain("unchanged");
    expect(await apply("one.yaml", pod("one", "", "app: b, more: x"))).toContain("configured");
    const [after] = await pods();
    expect(after?.metadata).toMatchObject({ uid: before?.metadata.uid, labels: { app: "b", more: "x" } });
    expect(after?.status?.podIP).toBe(before?.status?.podIP);
    const moved = file("one.yaml", pod("one", "nodeName: node1, hostNetwork: true, ", "app: c"));
    const said = await trunkline.say("apply", "-f", moved, "--lab", trunkline.lab);
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect((await pods())[0]?.metadata.labels).toMatchObject({ app: "b" });
    await trunkline.ask("delete", "pod/one");
  });

  it("goes with its namespace, and its address is free again", async () => {
    await apply("ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    const inShop = workload("Deployment", "till", 2).replace("{name: till}", "{name: till, namespace: shop}");
    await apply("till.yaml", inShop);
    await ready("deploy/till", "-n", "shop");
    await trunkline.ask("delete", "ns/shop");
    expect(await pods("-A")).toEqual([]);
    const gone = await trunkline.say("get", "deploy", "till", "-n", "shop", "--lab", trunkline.lab);
    expect(gone.code).toBe(1);
    expect(await trunkline.json("ipam", "check")).toMatchObject({ ok: true, addresses: 0 });
  });
});

describe("cells that are dropped", () => {
  it("are told apart from those that answer, all of them at once", async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    await apply("six.yaml", ...names.map((name) => pod(name)));
    await ready("--all");
    await trunkline.ask(
      "lab",
      "exec",
      "a",
      "--",
      "nft",
      "add table inet deny; add chain inet deny in { type filter hook input priority 0; policy drop; }",
    );
    const { cells } = await trunkline.json<{
      cells: { from: string; to: string; reachable: boolean; outcome: string }[];
    }>("probe", "--all", "-n", "default", "--port", "80/tcp,81/tcp,82/tcp,83/tcp,84/tcp,85/tcp,86/tcp");
    const own = cells.filter(({ from, to }) => from === "pod/default/a" || to === "pod/default/a");
    // One after the other these would take longer than this test may.
    expect(own.length).toBeGreaterThan(70);
    expect(own.filter((cell) => cell.outcome !== "filtered")).toEqual([]);
    const others = cells.filter((cell) => !own.includes(cell));
    expect(others.filter(({ reachable, outcome }) => reachable !== (outcome === "answered"))).toEqual([]);
    expect(others.filter((cell) => cell.reachable)).toHaveLength(25);
    await trunkline.ask("delete", ...names.map((name) => `pod/${name}`));
  });
});

describe("workloads that are not counted", () => {
  const daemons = (port: number) =>
    "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: daemon}\nspec: {selector: {matchLabels: {app: daemon}}, " +
    `template: {metadata: {labels: {app: daemon}}, spec: {containers: [{name: c, ports: [{containerPort: ${port}}]}]}}}\n`;

  it("a DaemonSet has a pod on each node that it fits, also when a Node comes back, and rolls over", async () => {
    await apply("ds.yaml", daemons(80));
    await ready("ds/daemon");
    // node3 has a taint that it does not tolerate.
    expect(nodesOf(await pods("-l", "app=daemon"))).toEqual(["node1", "node2"]);
    const node = await trunkline.ask("get", "node", "node2", "-o", "yaml");
    await trunkline.ask("delete", "node/node2");
    await expect
      .poll(async () => nodesOf(await pods("-l", "app=daemon")), { timeout: 30_000 })
      .toEqual(["node1"]);
    await trunkline.ask("apply", "-f", file("node2.yaml", node));
    await trunkline.ask("wait", "--for", "ready", "node/node2", "--timeout", "30s");
    await ready("ds/daemon");
    expect(nodesOf(await pods("-l", "app=daemon"))).toEqual(["node1", "node2"]);
    await apply("ds.yaml", daemons(81));
    await ready("ds/daemon");
    expect(await trunkline.json("probe", "ds/daemon", "ds/daemon:81")).toMatchObject({ reachable: true });
    await trunkline.ask("delete", "ds/daemon");
    // What it owned is collected after it.
    await expect.poll(() => pods(), { timeout: 30_000 }).toEqual([]);
  });

  it("a Job runs its pods, and none while it is suspended", async () => {
    const job = (more: string) =>
      `apiVersion: batch/v1\nkind: Job\nmetadata: {name: work}\nspec: {parallelism: 2, completions: 3, ${more}` +
      "template: {spec: {restartPolicy: Never, containers: [{name: c, ports: [{containerPort: 80}]}]}}}\n";
    await apply("job.yaml", job(""));
    await ready("job/work");
    expect(await pods("-l", "job-name=work")).toHaveLength(2);
    await apply("job.yaml", job("suspend: true, "));
    await trunkline.ask("wait", "--for", "delete", "pod", "-l", "job-name=work", "--timeout", "30s");
    expect(await pods("-l", "job-name=work")).toEqual([]);
    await trunkline.ask("delete", "job/work");
  });
});

describe("what ends by itself", () => {
  interface Ended {
    readonly metadata: { readonly name: string };
    readonly status?: { readonly conditions?: readonly { readonly type: string }[] };
  }
  const jobs = async (...words: string[]) =>
    (await trunkline.json<{ items: Ended[] }>("get", "jobs", ...words)).items;
  const template = (command: string) =>
    `template: {metadata: {labels: {app: done}}, spec: {restartPolicy: Never, containers: [{name: c, command: ${command}, ports: [{containerPort: 80}]}]}}`;
  const job = (name: string, more: string, command: string) =>
    `apiVersion: batch/v1\nkind: Job\nmetadata: {name: ${name}}\nspec: {${more}${template(command)}}\n`;

  it("completes a Job or fails it, and gives the addresses back", async () => {
    await apply("good.yaml", job("good", "completions: 3, parallelism: 2, ", "[sleep, '1']"));
    await trunkline.ask("wait", "--for", "condition=Complete", "job/good", "--timeout", "60s");
    expect((await pods("-l", "job-name=good")).map(({ status }) => status?.phase)).toEqual(
      Array.from({ length: 3 }, () => "Succeeded"),
    );
    await apply("bad.yaml", job("bad", "backoffLimit: 1, ", "[sh, -c, 'exit 3']"));
    await trunkline.ask("wait", "--for", "condition=Failed", "job/bad", "--timeout", "60s");
    const table = await trunkline.ask("get", "jobs");
    expect(table).toMatch(/good +Complete +3\/3/);
    expect(table).toMatch(/bad +Failed +0\/1/);
    expect(
      (await trunkline.say("wait", "--for", "ready", "job/bad", "--timeout", "1s", "--lab", trunkline.lab))
        .stderr,
    ).toContain("it has failed");
    await expect
      .poll(async () => await trunkline.json("ipam", "check"))
      .toMatchObject({ ok: true, addresses: 0 });
    await trunkline.ask("delete", "job/good", "job/bad");
    expect(await pods("-l", "app=done")).toEqual([]);
  });

  /** Moves the clock to a minute after the next 03:30: what is begun then and lasts ten minutes is still at it. */
  const toNight = async () => {
    const { now } = await trunkline.json<{ now: string }>("lab", "clock", "show");
    const dayMs = 86_400_000;
    const nightMs = (3 * 60 + 31) * 60_000;
    const left = (2 * dayMs + nightMs - (Date.parse(now) % dayMs)) % dayMs;
    await trunkline.ask("lab", "clock", "advance", `${Math.ceil(left / 1000)}s`);
  };

  it("runs a CronJob by the lab's clock, with its Jobs' pods to be asked by its name", async () => {
    const cron =
      "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: night}\n" +
      `spec: {schedule: "30 3 * * *", successfulJobsHistoryLimit: 1, jobTemplate: {spec: {${template("[sleep, 10m]")}}}}\n`;
    await apply("cron.yaml", cron);
    expect(await trunkline.ask("get", "cronjob", "night")).toMatch(/30 3 \* \* \* +<none> +False +0 +<none>/);
    expect(await jobs()).toEqual([]);
    await toNight();
    await expect.poll(async () => (await jobs()).length).toBe(1);
    await ready("pod", "-l", "app=done");
    expect(await trunkline.json("probe", "cronjob/night", "cronjob/night:80")).toMatchObject({
      reachable: true,
    });
    expect(await trunkline.ask("describe", "cronjob", "night")).toMatch(/Active Jobs: +night-\d+/);
    await trunkline.ask("lab", "clock", "advance", "10m");
    await trunkline.ask("wait", "--for", "condition=Complete", "job", "--all", "--timeout", "30s");
    const [first] = await jobs();
    await toNight();
    await expect.poll(async () => (await jobs()).length).toBe(2);
    await ready("pod", "-l", "app=done", "--field-selector", "status.phase!=Succeeded");
    await trunkline.ask("lab", "clock", "advance", "10m");
    // Of those that have succeeded one is kept.
    await expect
      .poll(async () => (await jobs()).map(({ metadata }) => metadata.name))
      .not.toContain(first?.metadata.name);
    await trunkline.ask("delete", "cronjob/night");
    await expect.poll(async () => await jobs()).toEqual([]);
    await expect.poll(async () => await pods("-l", "app=done")).toEqual([]);
  });
});

describe("what a pod asks for by itself", () => {
  it("is a pool that selects no node, by annotation", async () => {
    const only =
      "apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: single}\n" +
      'spec: {cidr: 10.99.0.0/26, blockSize: 29, nodeSelector: "!all()"}\n';
    const asks = pod("single").replace(
      "labels: {}",
      "annotations: {cni.projectcalico.org/ipv4pools: '[\"single\"]'}",
    );
    await apply("single.yaml", only, asks, pod("plain"));
    await ready("pod/single", "pod/plain");
    const addresses = (await pods()).map((one) => [
      one.metadata.name,
      one.status?.podIP?.split(".").slice(0, 2).join("."),
    ]);
    expect(Object.fromEntries(addresses)).toEqual({ single: "10.99", plain: "10.1" });
    await trunkline.ask("delete", "pod/single", "pod/plain");
  });

  it("is a port of a sidecar, by name in a policy too", async () => {
    const sidecar =
      "initContainers: [{name: s, restartPolicy: Always, ports: [{containerPort: 15090, name: metrics}]}], ";
    const policy =
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: metrics}\n" +
      "spec: {podSelector: {matchLabels: {app: served}}, ingress: [{ports: [{port: metrics}]}]}\n";
    await apply("side.yaml", pod("served", sidecar, "app: served"), pod("asker"), policy);
    await ready("pod/served", "pod/asker");
    for (const [port, reachable] of [
      [15_090, true],
      [80, false],
    ] as const) {
      const to = `pod/served:${port}`;
      expect((await trunkline.say("probe", "pod/asker", to, "--lab", trunkline.lab)).code).toBe(
        reachable ? 0 : 1,
      );
      expect((await trunkline.say("explain", "pod/asker", to, "--lab", trunkline.lab)).code).toBe(
        reachable ? 0 : 1,
      );
    }
    await trunkline.ask("delete", "pod/served", "pod/asker", "netpol/metrics");
  });
});
