// What somebody waits for at the command line: the matrix of a large set of manifests, and what one more policy would
// change in a cluster of 1,000 pods and 1,000 policies. CPU time, since others share the machine; the best of five.
// For AddressLists: a pod's ADD until its address is in one, and one of ten thousand addresses that changes. And what refused
// packets cost.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseManifests } from "../src/api/manifest/parse.ts";
import { openSqliteStore } from "../src/store/sqlite/store.ts";
import { deniedRows, toldRows } from "./lib/answers/denied.ts";
import { listAddRows } from "./lib/answers/list-adds.ts";
import { listChangeRows } from "./lib/answers/list-change.ts";
import { ranInPrivate } from "./lib/private.ts";
import { rounds } from "./lib/quick.ts";
import { type Row, row } from "./lib/row.ts";

export const needs = [
  { program: "/usr/lib/postgresql/15/bin/postgres", debian: "postgresql-15" },
  { program: "cc", debian: "gcc" },
];

const RUNS = rounds(5, 2);
const NAMESPACES = 50;
const POLICIES = 1000;
const program = path.join(import.meta.dirname, "../bin/trunkline");

/** @param args parts: `commands`, `change`, `adds`, `denied`, `told`; default: all of them */
export async function bench(args: readonly string[]): Promise<readonly Row[] | undefined> {
  if (ranInPrivate()) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-bench-"));
  const wanted = (part: string): boolean => args.length === 0 || args.includes(part);
  try {
    return [
      ...(wanted("commands") ? await commandRows(folder) : []),
      ...(wanted("change") ? await listChangeRows(folder) : []),
      ...(wanted("adds") ? await listAddRows(folder) : []),
      ...(wanted("denied") ? await deniedRows(folder) : []),
      ...(wanted("told") ? await toldRows() : []),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function commandRows(folder: string): Promise<Row[]> {
  const workloads = write(folder, "workloads.yaml", [...namespaces(), ...deployments(2000), ...policies()]);
  const store = await filledStore(folder, [...namespaces(), ...pods(1000), ...policies()].join("---\n"));
  const added = write(folder, "added.yaml", [policy("added", 3, "ingress: []", 1)]);
  return [
    row(
      "answers.matrix",
      "policy matrix -f, 2,000 x 2,000 workloads, 1,000 policies: CPU time",
      "s",
      best(["policy", "matrix", "-f", workloads]),
      null,
      { of: "ours", at: "most", value: 3 },
    ),
    row(
      "answers.diff",
      "policy diff of one policy more among 1,000 pods and 1,000 policies: CPU time",
      "s",
      best(["policy", "diff", "--store", store, "-f", added]),
      null,
      { of: "ours", at: "most", value: 1.5 },
    ),
  ];
}

/** Returns the least CPU time of some runs, in seconds. */
function best(args: readonly string[]): number {
  const times = Array.from({ length: RUNS }, () => {
    const before = childrensTime();
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 2 ** 30 });
    if (status !== 0) throw new TypeError(`trunkline ${args.join(" ")} ended with ${status}: ${stderr}`);
    return childrensTime() - before;
  });
  return Math.min(...times);
}

/** CPU time of the children that have ended, in seconds: proc(5), cutime and cstime, in ticks of 1/100 s. */
function childrensTime(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(13, 15)
    .map(Number);
  return (user + system) / 100;
}

function write(folder: string, name: string, documents: readonly string[]): string {
  const file = path.join(folder, name);
  writeFileSync(file, documents.join("---\n"));
  return file;
}

async function filledStore(folder: string, text: string): Promise<string> {
  const file = path.join(folder, "store.db");
  const store = openSqliteStore(file);
  try {
    const { objects, errors } = parseManifests(text, "store");
    if (errors[0]) throw new TypeError(errors[0].message);
    for (const { kind, draft } of objects) if (kind) await store.create(kind, draft);
  } finally {
    await store.close();
  }
  return `sqlite:${file}`;
}

const namespaces = () =>
  each(
    NAMESPACES,
    (n) => `apiVersion: v1\nkind: Namespace\nmetadata: {name: ns${n}, labels: {team: t${n % 10}}}\n`,
  );

const labels = (n: number) => `labels: {app: w${n}, tier: t${n % 7}, role: r${n % 13}}`;
const containers = "containers: [{name: c, image: x, ports: [{containerPort: 80}]}]";

const deployments = (count: number) =>
  each(
    count,
    (n) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: w${n}, namespace: ns${n % NAMESPACES}}
spec:
  selector: {matchLabels: {app: w${n}}}
  template:
    metadata: {${labels(n)}}
    spec: {${containers}}
`,
  );

const pods = (count: number) =>
  each(
    count,
    (n) => `apiVersion: v1
kind: Pod
metadata: {name: w${n}, namespace: ns${n % NAMESPACES}, ${labels(n)}}
spec: {${containers}}
`,
  );

/** Every third for what comes in, for what goes out, and for both. */
const policies = () =>
  each(POLICIES, (n) => {
    const from = `{podSelector: {matchLabels: {role: r${n % 13}}}, namespaceSelector: {matchLabels: {team: t${n % 10}}}}`;
    const to = `{podSelector: {matchLabels: {tier: t${n % 5}}}, namespaceSelector: {}}`;
    const ingress = `ingress: [{from: [${from}], ports: [{port: 80}]}]`;
    const egress = `egress: [{to: [${to}]}]`;
    const rules = [
      `${ingress}, policyTypes: [Ingress]`,
      `${egress}, policyTypes: [Egress]`,
      `${ingress}, ${egress}`,
    ];
    return policy(`p${n}`, n, rules[n % 3] ?? ingress, n % 7);
  });

function policy(name: string, namespace: number, rules: string, tier: number): string {
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}, namespace: ns${namespace % NAMESPACES}}
spec: {podSelector: {matchLabels: {tier: t${tier}}}, ${rules}}
`;
}

function each(count: number, make: (n: number) => string): string[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
