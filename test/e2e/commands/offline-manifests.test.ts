// Manifests as people keep them: in any order and any folder, lists and single objects, every kind of workload, policies
// before their namespaces. Whatever the arrangement, the answer is the same; no lab and no root is needed.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { Commands } from "../trunkline.ts";

const commands = new Commands();
afterAll(() => commands.end());

const template = (app: string) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: "c", image: "x", ports: [{ name: "web", containerPort: 8080 }] }] },
});

/** Every kind that makes pods, the way it is written. */
function workloads(namespace: string): object[] {
  const of = (apiVersion: string, kind: string, spec: object, labels = {}) => ({
    apiVersion,
    kind,
    metadata: { name: kind.toLowerCase(), namespace, labels },
    spec,
  });
  const selecting = (app: string) => ({ selector: { matchLabels: { app } }, template: template(app) });
  const job = { template: { ...template("job"), spec: { ...template("job").spec, restartPolicy: "Never" } } };
  return [
    of("v1", "Pod", template("pod").spec, { app: "pod" }),
    of("v1", "ReplicationController", { selector: { app: "rc" }, template: template("rc") }),
    of("apps/v1", "Deployment", selecting("deployment")),
    of("apps/v1", "ReplicaSet", selecting("rs")),
    of("apps/v1", "StatefulSet", { serviceName: "s", ...selecting("sts") }),
    of("apps/v1", "DaemonSet", selecting("ds")),
    of("batch/v1", "Job", job),
    of("batch/v1", "CronJob", { schedule: "0 3 * * *", jobTemplate: { spec: job } }),
  ];
}

const names = ["x", "y", "z"];
const policy = (namespace: string, name: string, spec: object) => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace },
  spec,
});
const objects: object[] = [
  ...names.map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { team: name === "z" ? "outer" : "inner" } },
  })),
  ...names.flatMap(workloads),
  policy("x", "shut", { podSelector: {} }),
  policy("x", "from-inner", {
    podSelector: { matchExpressions: [{ key: "app", operator: "NotIn", values: ["job"] }] },
    ingress: [
      { from: [{ namespaceSelector: { matchLabels: { team: "inner" } } }], ports: [{ port: "web" }] },
    ],
  }),
  policy("y", "out", {
    podSelector: { matchLabels: { app: "sts" } },
    policyTypes: ["Egress"],
    egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }] }],
  }),
];

let folders = 0;

/** Writes objects into a tree of files: each cut is a file, in YAML documents, as JSON, or as a List. */
function write(order: readonly object[], cuts: readonly number[]): string {
  const folder = path.join(commands.folder, `manifests-${folders++}`);
  const parts = cuts.map((cut, at) => order.slice(cuts[at - 1] ?? 0, cut));
  for (const [at, part] of [...parts, order.slice(cuts.at(-1) ?? 0)].entries()) {
    const below = path.join(folder, ...Array.from({ length: at % 3 }, (_, depth) => `d${depth}`));
    mkdirSync(below, { recursive: true });
    const list = { apiVersion: "v1", kind: "List", items: part };
    if (at % 3 === 0) writeFileSync(path.join(below, `${at}.json`), JSON.stringify(list));
    else
      writeFileSync(
        path.join(below, `${at}.yaml`),
        part.map((one) => `---\n${JSON.stringify(one)}\n`).join(""),
      );
  }
  writeFileSync(path.join(folder, "NOTES.txt"), "no manifest: {");
  return folder;
}

it("says the same of the same objects, however they lie in files", async () => {
  const matrix = async (folder: string) => {
    const { code, stdout, stderr } = await commands.say("policy", "matrix", "-f", folder, "-o", "csv");
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const straight = await matrix(write(objects, []));
  // 24 workloads and two ranges, on the one port that is declared.
  expect(straight.trim().split("\n")).toHaveLength(1 + 26 * 26 - 4);
  expect(straight).toContain("deployment/y/deployment,deployment/x/deployment,8080/tcp,true");
  expect(straight).toContain("cronjob/y/cronjob,cronjob/x/cronjob,8080/tcp,false,ingress,x/shut,");
  expect(straight).toContain("deployment/z/deployment,deployment/x/deployment,8080/tcp,false,ingress,,");
  const cuts = fc.array(fc.nat(objects.length), { maxLength: 6 }).map((at) => at.toSorted((a, b) => a - b));
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(objects, { minLength: objects.length }), cuts, async (order, at) => {
      expect(await matrix(write(order, at))).toBe(straight);
    }),
    { numRuns: 5 },
  );
});
