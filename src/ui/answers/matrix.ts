// Who may reach whom, as a grid of signs. Pods of a workload are one row where they would be too many: one of them is asked.
import { setImmediate as turn } from "node:timers/promises";
import { matchesSelector, parseSelector } from "../../api/selectors/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { End } from "../../explain/ends.ts";
import type { Judges } from "../../explain/judges/judge.ts";
import { type Column, clusterEnds, matrixOf, type Row } from "../../explain/matrix/matrix.ts";
import { parsePorts } from "../../explain/ports.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { MatrixAnswer, MatrixEnd } from "../api.ts";
import type { Sources } from "../sources.ts";
import { workloadName, workloadOf } from "../workload.ts";
import { optional } from "./query.ts";

/** Of each pod a row of its own only up to so many ends. */
const UNFOLDED = 60;
/** A grid of more is nothing to look at, and takes long. */
const MOST = 250;
/** Others' questions are answered between rows, ms. */
const TURN_MS = 20;

export interface MatrixAsked {
  readonly namespaces: ReadonlySet<string> | undefined;
  readonly selector: string;
  /** undefined: where there are many. */
  readonly fold: boolean | undefined;
  readonly hosts: boolean;
}

/** @throws TrunklineError `api.selector`, `explain.port`, `ui.value` */
export async function matrixAnswer(sources: Sources, query: URLSearchParams): Promise<MatrixAnswer> {
  const ports = optional(query, "port");
  const chosen = ports === undefined ? ("declared" as const) : parsePorts(ports);
  const asked = askedIn(query);
  const revision = sources.revision();
  const { facts, judges } = await sources.picture();
  const { ends, rows, folded, left } = rowsOf(facts, asked);
  const question = { ends, ports: chosen, view: "live" } as const;
  return { revision, rows, columns: rows, folded, left, ...(await gridsOf(facts, judges, question)) };
}

function askedIn(query: URLSearchParams): MatrixAsked {
  const namespaces = query.getAll("namespace").filter((name) => name !== "");
  const fold = optional(query, "fold");
  if (fold !== undefined && fold !== "yes" && fold !== "no")
    throw new TrunklineError("ui.value", { name: "fold", value: fold, why: "it is yes or no" });
  return {
    namespaces: namespaces.length === 0 ? undefined : new Set(namespaces),
    selector: optional(query, "selector") ?? "",
    fold: fold === undefined ? undefined : fold === "yes",
    hosts: optional(query, "hosts") !== "no",
  };
}

/** Returns the ends that are asked, and whom each stands for. @throws TrunklineError `api.selector` */
export function rowsOf(
  facts: ClusterFacts,
  { namespaces, selector, fold, hosts }: MatrixAsked,
): { ends: readonly End[]; rows: readonly MatrixEnd[]; folded: boolean; left: number } {
  const wanted = parseSelector(selector);
  const all = clusterEnds(facts, namespaces).filter((end) =>
    end.type === "pod" ? matchesSelector(wanted, end.pod.metadata.labels ?? {}) : hosts,
  );
  const live = all.filter(({ addresses }) => addresses.length > 0);
  const folded = fold ?? live.length > UNFOLDED;
  const groups = new Map<string, { end: End; pods: number }>();
  for (const end of live) {
    const name = folded && end.type === "pod" ? workloadName(workloadOf(end.pod)) : end.name;
    const known = groups.get(name);
    if (known) known.pods++;
    else groups.set(name, { end, pods: end.type === "pod" ? 1 : 0 });
  }
  const shown = [...groups].slice(0, MOST);
  return {
    ends: shown.map(([, { end }]) => end),
    rows: shown.map(([name, { end, pods }]) => rowOf(name, end, pods)),
    folded,
    left: groups.size - shown.length,
  };
}

function rowOf(name: string, end: End, pods: number): MatrixEnd {
  const namespace = end.type === "pod" ? (end.pod.metadata.namespace ?? null) : null;
  // The kind goes without saying where it is a pod.
  const label = name.startsWith("pod/") ? name.slice("pod/".length) : name;
  return { name, label, namespace, pods };
}

type Question = Parameters<typeof matrixOf>[2];

async function gridsOf(
  facts: ClusterFacts,
  judges: Judges,
  question: Question,
): Promise<Pick<MatrixAnswer, "ports" | "grids">> {
  const { columns, rows } = matrixOf(facts, judges, question);
  const ports = [...new Set(columns.flatMap((column) => column.ports.map(({ text }) => text)))].toSorted(
    byPort,
  );
  const grids: Record<string, string[]> = Object.fromEntries(ports.map((port) => [port, []]));
  let since = performance.now();
  for (const row of rows) {
    const signs = signsOf(row, columns);
    for (const port of ports) grids[port]!.push(signs.get(port) ?? " ".repeat(columns.length));
    if (performance.now() - since < TURN_MS) continue;
    await turn();
    since = performance.now();
  }
  return { ports, grids };
}

/** Returns a row's signs by port. */
function signsOf({ from, lets, against }: Row, columns: readonly Column[]): ReadonlyMap<string, string> {
  const lines = new Map<string, string[]>();
  for (const [at, { to, ports }] of columns.entries())
    for (const port of ports) {
      const line = lines.get(port.text) ?? Array<string>(columns.length).fill(" ");
      lines.set(port.text, line);
      if (from.name === to.name) continue;
      const quick = lets(to, port);
      const known = quick === undefined ? against(to, port) : undefined;
      const allowed = quick === undefined ? (known === undefined ? true : known.allowed) : quick;
      line[at] = allowed === null ? "?" : allowed ? "+" : ".";
    }
  return new Map([...lines].map(([port, line]) => [port, line.join("")]));
}

function byPort(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1);
}
