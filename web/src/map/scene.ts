// What the map shows and where: a pure function of the answer and of what is unfolded, the same each time, so that nothing
// jumps when a pod comes or goes. Outside at the top, subnets below, then nodes by zone with their blocks and pods around
// them, and workloads at the bottom by namespace.
import type { MapAnswer, MapPod } from "../../../src/ui/api.ts";

export type Kind = "node" | "host" | "router" | "block" | "subnet" | "workload" | "pod";

export interface Thing {
  /** `KIND/NAME`, unlike all others. */
  readonly id: string;
  readonly kind: Kind;
  /** As a question names it; of what cannot be asked, its name. */
  readonly name: string;
  readonly label: string;
  readonly x: number;
  readonly y: number;
  readonly size: number;
  /** It is not ready, or not running. */
  readonly isAway: boolean;
}

export interface Scene {
  readonly things: readonly Thing[];
  readonly lines: readonly (readonly [from: string, to: string])[];
}

/** Lines between workloads and nodes: with more they hide what they are to show. */
const MOST_LINES = 300;
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

/**
 * Returns what is drawn.
 * @param unfolded ids of workloads whose pods are shown; `all`: every pod
 */
export function sceneOf(map: MapAnswer, unfolded: ReadonlySet<string> | "all"): Scene {
  const things: Thing[] = [];
  const lines: [string, string][] = [];
  const places = nodePlaces(map);
  const { at, step, bottom, width } = places;
  for (const [number, { name, ready }] of map.nodes.entries())
    things.push(thing("node", name, `node/${name}`, at[number]!, 9, !ready));
  addBlocks(map, places, things, lines);
  const outside = map.outside.map(({ role, name }) => ({ kind: role, name, ask: `${role}/${name}` }));
  const subnets = map.ranges.filter(({ kind }) => kind === "subnet");
  const subnetRow = subnets.map(({ name }) => ({ kind: "subnet" as const, name, ask: name }));
  addRow(subnetRow, step * 0.6, width, things);
  addRow(outside, step * (subnets.length > 0 ? 0.9 : 0.6), width, things);
  addWorkloads(map, width, bottom, things);
  addPods(map, places, unfolded, things, lines);
  addSubnetLines(map, lines);
  if (unfolded !== "all") addWorkloadLines(map, lines);
  return { things, lines };
}

export function workloadId({ workloads }: MapAnswer, at: number): string {
  const { kind, namespace, name } = workloads[at]!;
  return `workload/${kind.toLowerCase()}/${namespace}/${name}`;
}

export function podId({ workloads }: MapAnswer, [name, workload]: MapPod): string {
  return `pod/${workloads[workload]?.namespace}/${name}`;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Places {
  readonly at: readonly Point[];
  /** From one node to the next. */
  readonly step: number;
  readonly width: number;
  readonly bottom: number;
}

/** Zones begin lines of their own; between nodes there is room for the pods of the fullest one. */
function nodePlaces({ nodes, pods }: MapAnswer): Places {
  const counts = nodes.map(() => 0);
  for (const [, , node] of pods) if (node >= 0) counts[node] = (counts[node] ?? 0) + 1;
  const step = 2 * (2.2 + 0.62 * Math.sqrt(Math.max(4, ...counts)));
  const wide = Math.max(3, Math.ceil(Math.sqrt(nodes.length * 1.8)));
  const order = nodes
    .map(({ zone, name }, at) => ({ zone: zone ?? "", name, at }))
    .toSorted((a, b) => (a.zone < b.zone ? -1 : a.zone > b.zone ? 1 : a.name < b.name ? -1 : 1));
  const at: Point[] = [];
  let [column, line, zone] = [0, 0, order[0]?.zone];
  for (const one of order) {
    if (column === wide || (one.zone !== zone && column > 0)) [column, line] = [0, line + 1];
    zone = one.zone;
    at[one.at] = { x: column * step, y: -line * step };
    column++;
  }
  const width = (Math.min(wide, Math.max(2, nodes.length)) - 1) * step;
  return { at, step, width, bottom: -line * step };
}

function addBlocks(
  { ranges, nodes }: MapAnswer,
  { at }: Places,
  things: Thing[],
  lines: [string, string][],
): void {
  const numbers = new Map(nodes.map(({ name }, number) => [name, number]));
  const seen = new Map<number, number>();
  for (const { kind, cidr, node } of ranges) {
    const number = numbers.get(node ?? "");
    if (kind !== "block" || number === undefined) continue;
    const turn = seen.get(number) ?? 0;
    seen.set(number, turn + 1);
    const { x, y } = at[number]!;
    // Above the node, side by side.
    const place = { x: x + (turn % 2 === 0 ? 1 : -1) * Math.ceil(turn / 2) * 0.8, y: y + 1.5 };
    things.push(thing("block", cidr, cidr, place, 5));
    lines.push([`block/${cidr}`, `node/${node}`]);
  }
}

interface InRow {
  readonly kind: Kind;
  readonly name: string;
  readonly ask: string;
}

/** Spreads things over the width of the nodes, in two lines where one does not do. */
function addRow(row: readonly InRow[], y: number, width: number, things: Thing[]): void {
  const count = row.length;
  for (const [at, { kind, name, ask }] of row.entries()) {
    const x = count === 1 ? width / 2 : (at * width) / (count - 1);
    things.push(thing(kind, name, ask, { x, y: y + (count > 12 ? (at % 2) * 1.6 : 0) }, 7));
  }
}

function addWorkloads(map: MapAnswer, width: number, bottom: number, things: Thing[]): void {
  const counts = map.workloads.map(() => 0);
  for (const [, workload] of map.pods) counts[workload] = (counts[workload] ?? 0) + 1;
  const order = [...map.workloads.keys()].toSorted((a, b) =>
    workloadId(map, a) < workloadId(map, b) ? -1 : 1,
  );
  const wide = Math.max(4, Math.ceil(Math.sqrt(order.length * 2.2)));
  const step = Math.max(2.4, width / Math.max(1, Math.min(wide, order.length) - 1));
  const down = Math.max(2.6, step * 0.6);
  const start = bottom - step * 0.9 - 2;
  for (const [place, at] of order.entries()) {
    const { kind, namespace, name } = map.workloads[at]!;
    const count = counts[at] ?? 0;
    const point = { x: (place % wide) * step, y: start - Math.floor(place / wide) * down };
    const ask = `${kind.toLowerCase()}/${namespace}/${name}`;
    const label = `${namespace}/${name}${count > 1 ? ` ×${count}` : ""}`;
    things.push({ ...thing("workload", ask, ask, point, 4 + 1.5 * Math.log2(count + 1)), label });
  }
}

/** Around their nodes like seeds of a sunflower, each at its place whether or not the others are shown. */
function addPods(
  map: MapAnswer,
  { at, bottom }: Places,
  unfolded: ReadonlySet<string> | "all",
  things: Thing[],
  lines: [string, string][],
): void {
  const seen = new Map<number, number>();
  for (const pod of map.pods) {
    const [name, workload, number, , , phase] = pod;
    const turn = seen.get(number) ?? 0;
    seen.set(number, turn + 1);
    if (unfolded !== "all" && !unfolded.has(workloadId(map, workload))) continue;
    // Pods without a node wait beside all nodes.
    const center = at[number] ?? { x: -6, y: bottom };
    const radius = 2.1 + 0.62 * Math.sqrt(turn);
    const angle = turn * GOLDEN;
    const place = { x: center.x + radius * Math.cos(angle), y: center.y + radius * Math.sin(angle) };
    const id = podId(map, pod);
    things.push({
      ...thing("pod", id.slice("pod/".length), id, place, 2.6, phase !== "Running"),
      label: name,
    });
    if (number >= 0) lines.push([id, `node/${map.nodes[number]?.name}`]);
  }
}

function addSubnetLines({ pods, ranges, nodes }: MapAnswer, lines: [string, string][]): void {
  const seen = new Set<string>();
  for (const [, , node, range] of pods) {
    const found = ranges[range];
    if (found?.kind !== "subnet" || node < 0 || seen.has(`${range} ${node}`)) continue;
    seen.add(`${range} ${node}`);
    lines.push([`subnet/${found.name}`, `node/${nodes[node]?.name}`]);
  }
}

function addWorkloadLines(map: MapAnswer, lines: [string, string][]): void {
  const pairs = new Set(map.pods.flatMap(([, workload, node]) => (node < 0 ? [] : `${workload} ${node}`)));
  if (pairs.size > MOST_LINES) return;
  for (const pair of pairs) {
    const [workload = 0, node = 0] = pair.split(" ").map(Number);
    lines.push([workloadId(map, workload), `node/${map.nodes[node]?.name}`]);
  }
}

function thing(kind: Kind, name: string, ask: string, { x, y }: Point, size: number, isAway = false): Thing {
  return { id: `${kind}/${name}`, kind, name: ask, label: name, x, y, size, isAway };
}
