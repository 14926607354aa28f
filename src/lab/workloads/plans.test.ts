import { describe, expect, it } from "vitest";
import type { Node, Pod, PodSpec, Taint } from "../../api/kinds/core.ts";
import type { DaemonSet, Deployment, Job, ReplicaSet, StatefulSet } from "../../api/kinds/workloads.ts";
import { affinityMatches } from "../scheduler/node-match.ts";
import { daemonSpec, planDaemons } from "./daemons.ts";
import { endOfJob, planJob } from "./jobs.ts";
import { planOrdinals } from "./ordinals.ts";
import { templateHash } from "./pods.ts";
import { planReplicas } from "./replicas.ts";
import { planRollout } from "./rollout.ts";

const meta = (name: string) => ({
  name,
  namespace: "default",
  uid: `uid-${name}`,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});
const selector = { matchLabels: { app: "web" } };
const template = { metadata: { labels: { app: "web" } }, spec: { containers: [] } };
const rs: ReplicaSet = {
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  metadata: meta("web"),
  spec: { selector, template },
};

interface Traits {
  owner?: string;
  labels?: Record<string, string>;
  ready?: boolean;
  phase?: "Pending" | "Running" | "Failed";
  created?: string;
  deleting?: boolean;
  node?: string | undefined;
}

function pod(name: string, traits: Traits = {}): Pod {
  const { owner, labels = { app: "web" }, ready = true, phase = "Running", created, deleting } = traits;
  const node = "node" in traits ? traits.node : "node1";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...meta(name),
      labels,
      ...(created && { creationTimestamp: created }),
      ...(deleting && { deletionTimestamp: "2026-01-02T00:00:00Z" }),
      ...(owner && {
        ownerReferences: [{ apiVersion: "v1", kind: "X", name: "x", uid: owner, controller: true }],
      }),
    },
    spec: { containers: [], ...(node && { nodeName: node }) },
    status: { phase, conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

describe("replicas", () => {
  const mine = { owner: "uid-web" };

  it("creates what is missing, not counting pods that end or ended", () => {
    const pods = [
      pod("a", mine),
      pod("b", { ...mine, deleting: true }),
      pod("c", { ...mine, phase: "Failed" }),
    ];
    expect(planReplicas(rs, selector, 3, pods)).toMatchObject({ create: 2, remove: [] });
  });

  it("leaves pods spread over the nodes as they were, also where all are of one second", () => {
    const nodes = ["n1", "n2", "n3"];
    const pods = Array.from({ length: 12 }, (_, at) =>
      // By age alone, n1's would stay.
      pod(`w${String(at).padStart(2, "0")}`, { ...mine, node: nodes[Math.floor(at / 4)] }),
    );
    const stay = (replicas: number) => {
      const gone = new Set(planReplicas(rs, selector, replicas, pods).remove);
      return pods
        .filter((one) => !gone.has(one))
        .map(({ spec, metadata: { name } }) => `${spec.nodeName} ${name}`);
    };
    expect(stay(3)).toEqual(["n1 w00", "n2 w04", "n3 w08"]);
    expect(stay(2)).toEqual(["n1 w00", "n2 w04"]);
    expect(stay(6)).toEqual(["n1 w00", "n1 w01", "n2 w04", "n2 w05", "n3 w08", "n3 w09"]);
  });

  it("adopts orphans that match, leaves other controllers' pods alone, and releases what no longer matches", () => {
    const orphan = pod("orphan");
    const strayed = pod("strayed", { ...mine, labels: { app: "other" } });
    const plan = planReplicas(rs, selector, 1, [orphan, strayed, pod("theirs", { owner: "uid-else" })]);
    expect(plan.adopt).toEqual([orphan]);
    expect(plan.release).toEqual([strayed]);
    expect(plan.create).toBe(0);
    expect(plan.status).toEqual({ replicas: 1, readyReplicas: 1 });
  });

  it("gives up first what is not placed, then not running, then not ready, then the youngest", () => {
    const pods = [
      pod("old", mine),
      pod("young", { ...mine, created: "2026-01-01T00:00:09Z" }),
      pod("unready", { ...mine, ready: false }),
      pod("pending", { ...mine, ready: false, phase: "Pending" }),
      pod("unplaced", { ...mine, ready: false, phase: "Pending", node: undefined }),
    ];
    const order = [4, 3, 2, 1].map(
      (replicas) => planReplicas(rs, selector, replicas, pods).remove.at(-1)?.metadata.name,
    );
    expect(order).toEqual(["unplaced", "pending", "unready", "young"]);
  });
});

describe("a rollout", () => {
  const deployment: Deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: meta("web"),
    spec: { replicas: 4, selector, template },
  };
  const set = (name: string, replicas: number, ready = replicas): ReplicaSet => ({
    ...rs,
    metadata: meta(name),
    spec: { ...rs.spec, replicas },
    status: { replicas, readyReplicas: ready },
  });
  const current = `web-${templateHash(template)}`;

  it("starts with all replicas in one set", () => {
    expect(planRollout(deployment, []).current).toMatchObject({ name: current, replicas: 4 });
  });

  it("adds a quarter and takes away a quarter at a time", () => {
    const first = planRollout(deployment, [set("web-old", 4)]);
    expect(first.current.replicas).toBe(1);
    expect([...first.old]).toEqual([["web-old", 3]]);
    const second = planRollout(deployment, [set("web-old", 3), set(current, 1, 0)]);
    expect(second.current.replicas).toBe(2);
    expect([...second.old]).toEqual([]);
  });

  it("ends with the old set empty, whatever the order of steps", () => {
    let sets = [set("web-old", 4)];
    for (let step = 0; step < 20; step++) {
      const plan = planRollout(deployment, sets);
      const resized = sets.map((one) =>
        set(one.metadata.name, plan.old.get(one.metadata.name) ?? one.spec.replicas ?? 0),
      );
      sets = [...resized.filter((one) => one.metadata.name !== current), set(current, plan.current.replicas)];
      const ready = sets.reduce((sum, one) => sum + (one.status?.readyReplicas ?? 0), 0);
      expect(ready).toBeGreaterThanOrEqual(3);
      expect(ready).toBeLessThanOrEqual(5);
    }
    expect(sets.map((one) => [one.metadata.name, one.spec.replicas])).toEqual([
      ["web-old", 0],
      [current, 4],
    ]);
  });

  it("does not depend on the order of a template's keys", () => {
    const other = { spec: { containers: [] }, metadata: { labels: { app: "web" } } };
    expect(templateHash(other)).toBe(templateHash(template));
  });
});

describe("ordinals", () => {
  const set: StatefulSet = {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: meta("db"),
    spec: { replicas: 3, selector, template },
  };
  const hash = templateHash(template);
  const member = (ordinal: number, traits: Traits = {}): Pod =>
    pod(`db-${ordinal}`, { owner: "uid-db", labels: { "controller-revision-hash": hash }, ...traits });

  it("makes one pod at a time, each once those before it are ready", () => {
    expect(planOrdinals(set, []).create).toEqual([0]);
    expect(planOrdinals(set, [member(0, { ready: false })]).create).toEqual([]);
    expect(planOrdinals(set, [member(0)]).create).toEqual([1]);
    expect(planOrdinals(set, [member(0), member(2)]).create).toEqual([1]);
  });

  it("waits for a deleted pod to be gone before it makes the pod of that name again", () => {
    expect(planOrdinals(set, [member(0, { deleting: true }), member(1)]).create).toEqual([]);
  });

  it("shrinks from the highest, one by one, and only when all others are ready", () => {
    const many = [0, 1, 2, 3, 4].map((ordinal) => member(ordinal));
    expect(planOrdinals(set, many).remove.map((one) => one.metadata.name)).toEqual(["db-4"]);
    const leaving = [...many.slice(0, 4), member(4, { deleting: true })];
    expect(planOrdinals(set, leaving).remove).toEqual([]);
  });

  it("makes and removes all at once when Parallel", () => {
    const parallel: StatefulSet = { ...set, spec: { ...set.spec, podManagementPolicy: "Parallel" } };
    expect(planOrdinals(parallel, [member(1)]).create).toEqual([0, 2]);
    const many = [0, 1, 2, 3, 4].map((ordinal) => member(ordinal));
    expect(planOrdinals(parallel, many).remove).toHaveLength(2);
  });

  it("replaces pods of an earlier template from the highest down", () => {
    const stale = { labels: { "controller-revision-hash": "other" } };
    expect(planOrdinals(set, [member(0, stale), member(1, stale), member(2)]).remove[0]?.metadata.name).toBe(
      "db-1",
    );
  });

  it("is not misled by a pod of a like name that is somebody else's", () => {
    expect(
      planOrdinals(set, [pod("db-0", { owner: "uid-other" }), pod("db-00", { owner: "uid-db" })]).create,
    ).toEqual([0]);
  });
});

describe("DaemonSet", () => {
  const node = (name: string, taints: Taint[] = [], labels: Record<string, string> = {}): Node => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { ...meta(name), labels },
    spec: { taints },
  });
  const daemons = (spec: Partial<PodSpec> = {}): DaemonSet => ({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: meta("ds"),
    spec: { selector, template: { ...template, spec: { containers: [], ...spec } } },
  });
  const hash = (set: DaemonSet) => templateHash(set.spec.template);
  const on = (set: DaemonSet, name: string, where: string, traits: Traits = {}) =>
    pod(name, {
      owner: "uid-ds",
      node: where,
      labels: { "controller-revision-hash": hash(set) },
      ...traits,
    });
  const taint: Taint = { key: "only", value: "db", effect: "NoSchedule" };

  it("has a pod on each node that fits, cordoned ones and those that are not ready among them", () => {
    const set = daemons({ nodeSelector: { disk: "ssd" } });
    const ssd = { disk: "ssd" };
    const cordon: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
    const nodes = [node("a", [], ssd), node("b"), node("c", [taint], ssd), node("d", [cordon], ssd)];
    const plan = planDaemons(set, nodes, [on(set, "ds-1", "a")]);
    expect(plan.create).toEqual(["d"]);
    expect(plan.remove).toEqual([]);
    expect(plan.status).toMatchObject({
      desiredNumberScheduled: 2,
      currentNumberScheduled: 1,
      numberReady: 1,
    });
  });

  it("binds a pod to its node by name, beside what the template asks for", () => {
    const asked = { matchExpressions: [{ key: "disk", operator: "Exists" as const }] };
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [asked] } },
    };
    const spec = daemonSpec({ containers: [], affinity }, "a");
    expect(affinityMatches(spec, node("a", [], { disk: "x" }))).toBe(true);
    expect(affinityMatches(spec, node("b", [], { disk: "x" }))).toBe(false);
    expect(affinityMatches(spec, node("a"))).toBe(false);
  });

  it("ends pods of nodes that are gone or fit no more, keeps those of nodes tainted NoSchedule, and makes none twice", () => {
    const set = daemons();
    const pods = [
      on(set, "ds-gone", "gone"),
      on(set, "ds-a", "a"),
      on(set, "ds-a2", "a", { created: "2026-02-01T00:00:00Z" }),
      on(set, "ds-b", "b"),
      on(set, "ds-c", "c", { phase: "Failed" }),
      on(set, "ds-d", "d", { deleting: true }),
      pod("stranger", { node: "e" }),
    ];
    const evict: Taint = { key: "out", effect: "NoExecute" };
    const nodes = [node("a"), node("b", [taint]), node("c"), node("d"), node("e", [evict])];
    const plan = planDaemons(set, nodes, pods);
    expect(plan.remove.map(({ metadata }) => metadata.name).toSorted()).toEqual(["ds-a2", "ds-c", "ds-gone"]);
    // The pod of c has ended and d's is about to: c's place is free.
    expect(plan.create).toEqual(["c"]);
    expect(plan.status).toMatchObject({ desiredNumberScheduled: 3, numberMisscheduled: 2 });
  });

  it("rolls over one ready pod at a time, and at once what is not ready", () => {
    const set = daemons();
    const old = { labels: { "controller-revision-hash": "old" } };
    const nodes = ["a", "b", "c"].map((name) => node(name));
    const three = (...ready: boolean[]) =>
      planDaemons(
        set,
        nodes,
        ready.map((is, at) => on(set, `ds-${at}`, "abc".charAt(at), { ...old, ready: is })),
      ).remove.map(({ metadata }) => metadata.name);
    expect(three(true, true, true)).toEqual(["ds-0"]);
    expect(three(true, false, true)).toEqual(["ds-1"]);
    const still = { ...set, spec: { ...set.spec, updateStrategy: { type: "OnDelete" } } };
    expect(planDaemons(still, nodes, [on(set, "ds-0", "a", old)]).remove).toEqual([]);
  });
});

describe("Job", () => {
  const job = (spec: Partial<Job["spec"]> = {}): Job => ({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: meta("job"),
    spec: { template: { spec: { containers: [] } }, ...spec },
  });
  const of = (name: string, phase: string, more: Traits = {}): Pod => {
    const one = pod(name, { owner: "uid-job", ...more });
    return { ...one, status: { ...one.status, phase: phase as "Running" } };
  };

  const at = "2026-11-29T12:00:00Z";
  const plan = (one: Job, pods: readonly Pod[]) => planJob(one, pods, at);

  it("runs as many at a time as it says, and no more than are left to succeed", () => {
    expect(plan(job(), [])).toMatchObject({ create: 1, remove: [] });
    expect(plan(job({ parallelism: 3, completions: 2 }), []).create).toBe(2);
    const done = [of("a", "Succeeded"), of("b", "Running"), of("c", "Failed")];
    const next = plan(job({ parallelism: 2, completions: 3 }), done);
    expect(next.create).toBe(1);
    expect(next.status).toEqual({ active: 1, ready: 1, succeeded: 1, failed: 1, startTime: at });
    expect(plan(job({ parallelism: 2 }), [of("a", "Succeeded")]).create).toBe(0);
    expect(plan(job({ completions: 1 }), [of("a", "Succeeded")]).create).toBe(0);
  });

  it("is complete when enough have succeeded, and has failed when too many have failed; then it stays so", () => {
    const complete = plan(job({ completions: 2 }), [of("a", "Succeeded"), of("b", "Succeeded")]);
    expect(complete).toMatchObject({ create: 0, status: { succeeded: 2, completionTime: at } });
    expect(endOfJob({ ...job(), status: complete.status })?.type).toBe("Complete");
    const once = [of("a", "Succeeded"), of("b", "Running")];
    expect(endOfJob({ ...job(), status: plan(job({ parallelism: 2 }), once).status })).toBeUndefined();
    expect(endOfJob({ ...job(), status: plan(job(), once.slice(0, 1)).status })?.type).toBe("Complete");
    const many = [of("a", "Failed"), of("b", "Failed"), of("c", "Running")];
    const failed = plan(job({ backoffLimit: 1, parallelism: 2 }), many);
    expect(failed).toMatchObject({ create: 0, remove: [{ metadata: { name: "c" } }], status: { active: 0 } });
    const ended = { ...job({ backoffLimit: 1 }), status: failed.status };
    expect(endOfJob(ended)).toMatchObject({ type: "Failed", reason: "BackoffLimitExceeded" });
    expect(plan(ended, [])).toMatchObject({ create: 0, status: failed.status });
    expect(plan(job({ backoffLimit: 2 }), many.slice(0, 2)).create).toBe(1);
  });

  it("ends its pods when it is suspended or wants fewer, those that do not serve first", () => {
    const two = [of("a", "Running"), of("b", "Running", { ready: false })];
    expect(plan(job({ suspend: true, parallelism: 2 }), two).remove).toHaveLength(2);
    expect(plan(job({ parallelism: 1 }), two).remove.map(({ metadata }) => metadata.name)).toEqual(["b"]);
  });
});
