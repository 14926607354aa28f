// What is told of a thing on the map, and what belongs to it.
import type { MapAnswer } from "../../../src/ui/api.ts";
import { podId, workloadId } from "./scene.ts";

export interface Details {
  readonly rows: readonly (readonly [name: string, text: string])[];
  /** Its range of addresses. */
  readonly range?: string;
}

/** Returns what is known of the thing of an id; nothing where it is gone. */
export function detailsOf(map: MapAnswer, id: string): Details {
  const [kind = "", ...rest] = id.split("/");
  const name = rest.join("/");
  switch (kind) {
    case "node":
      return nodeDetails(map, name);
    case "host":
    case "router":
      return outsideDetails(map, name);
    case "block":
    case "subnet":
      return rangeDetails(map, kind, name);
    case "workload":
      return workloadDetails(map, id);
    default:
      return podDetails(map, id);
  }
}

function nodeDetails({ nodes, pods, ranges }: MapAnswer, name: string): Details {
  const number = nodes.findIndex((node) => node.name === name);
  const node = nodes[number];
  if (!node) return { rows: [] };
  const blocks = ranges.filter((range) => range.node === name).map(({ cidr }) => cidr);
  return {
    rows: [
      ["Ready", node.ready ? "yes" : "no"],
      ["Addresses", node.addresses.join(", ") || "none yet"],
      ["Zone", node.zone ?? "none"],
      ["Blocks", blocks.join(", ") || "none yet"],
      ["Pods", String(pods.filter(([, , on]) => on === number).length)],
    ],
  };
}

function outsideDetails({ outside }: MapAnswer, name: string): Details {
  const one = outside.find((other) => other.name === name);
  if (!one) return { rows: [] };
  return {
    rows: [
      ["Addresses", one.addresses.join(", ")],
      ["Listens on", one.ports.join(", ") || "nothing that is known"],
      ["Admits", one.admit === null ? "everybody" : one.admit.join(", ") || "nobody"],
    ],
  };
}

function rangeDetails({ ranges, pods }: MapAnswer, kind: string, name: string): Details {
  const number = ranges.findIndex((range) => range.kind === kind && [range.cidr, range.name].includes(name));
  const range = ranges[number];
  if (!range) return { rows: [] };
  return {
    rows: [
      ["Range", range.cidr],
      kind === "block" ? ["Pool", range.pool ?? ""] : ["Zone", range.zone ?? ""],
      ...(range.node === null ? [] : [["Node", range.node] as const]),
      ["Pods", String(pods.filter((pod) => pod[3] === number).length)],
    ],
    range: range.cidr,
  };
}

function workloadDetails(map: MapAnswer, id: string): Details {
  const number = map.workloads.findIndex((_, at) => workloadId(map, at) === id);
  const pods = map.pods.filter(([, workload]) => workload === number);
  const nodes = new Set(pods.map(([, , node]) => node).filter((node) => node >= 0));
  const away = pods.filter(([, , , , , phase]) => phase !== "Running").length;
  return {
    rows: [
      ["Namespace", map.workloads[number]?.namespace ?? ""],
      ["Pods", `${pods.length}${away > 0 ? `, ${away} of them not running` : ""}`],
      ["Nodes", String(nodes.size)],
    ],
  };
}

function podDetails(map: MapAnswer, id: string): Details {
  const pod = map.pods.find((one) => podId(map, one) === id);
  if (!pod) return { rows: [] };
  const [, , node, range, address, phase] = pod;
  const cidr = map.ranges[range]?.cidr;
  return {
    rows: [
      ["Address", address ?? "none yet"],
      ["Node", map.nodes[node]?.name ?? "none yet"],
      ["Range", cidr ?? "none of ours"],
      ["Phase", phase],
    ],
    ...(cidr !== undefined && { range: cidr }),
  };
}

/** Returns the ids of what belongs to a thing: a workload's nodes and pods, a node's ranges, pods and workloads. */
export function nearTo(map: MapAnswer, id: string): ReadonlySet<string> {
  const near = new Set<string>();
  for (const pod of map.pods) {
    const [, workload, node, range] = pod;
    const found = map.ranges[range];
    const own = [
      podId(map, pod),
      workloadId(map, workload),
      ...(node < 0 ? [] : [`node/${map.nodes[node]?.name}`]),
      ...(found ? [`${found.kind}/${found.kind === "block" ? found.cidr : found.name}`] : []),
    ];
    if (own.includes(id)) for (const one of own) near.add(one);
  }
  return near;
}
