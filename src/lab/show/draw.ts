// Draws a lab's picture as a tree of text: networks, what is plugged into them, and the pods on each node.
import type { LabPicture, MemberPicture, PodPicture } from "./describe.ts";

/** Returns the lines of the drawing. */
export function drawLab(picture: LabPicture): string {
  const { members, pods } = picture;
  const count = (role: MemberPicture["role"]): number =>
    members.filter((member) => member.role === role).length;
  const how = [
    picture.rootless ? "rootless" : "",
    picture.separate ? "agents as processes of their own" : "",
  ];
  const title = [
    `lab ${picture.name}`,
    plural(count("node"), "node"),
    plural(count("router"), "router"),
    plural(count("host"), "host"),
    plural(pods.length, "pod"),
    ...how.filter((word) => word !== ""),
  ].join(" · ");
  const networks = [...new Set(members.flatMap(({ links }) => links.map(({ network }) => network)))];
  const lines = networks.flatMap((network) => ["", ...drawNetwork(network, picture)]);
  const unplaced = pods.filter(({ node }) => node === undefined);
  const waiting =
    unplaced.length > 0 ? ["", "not on any node", ...branches(unplaced.map((pod) => drawPod(pod)))] : [];
  return [title, ...lines, ...waiting].join("\n");
}

function drawNetwork(network: string, { members, pods }: LabPicture): string[] {
  const plugged = members.filter(({ links }) => links.some((link) => link.network === network));
  const entries = plugged.map((member) => {
    const here = member.links.filter((link) => link.network === network);
    const wires = here.map((link) => `${link.name} ${link.addresses.join(" ")}`).join(", ");
    const head = `${member.role} ${member.name}  ${wires}${details(member, network)}`;
    // Pods stand below the network of their node's first link.
    const own = member.links[0]?.network === network ? pods.filter(({ node }) => node === member.name) : [];
    return [head, ...branches(own.map(drawPod))];
  });
  return [`network ${network}`, ...nested(entries)];
}

function details(member: MemberPicture, network: string): string {
  const parts: string[] = [];
  const elsewhere = member.links.filter((link) => link.network !== network).map((link) => link.network);
  if (elsewhere.length > 0) parts.push(`also on ${elsewhere.join(", ")}`);
  if (member.zone !== undefined) parts.push(`zone ${member.zone}`);
  if (member.ports.length > 0) parts.push(`listens on ${member.ports.join(" ")}`);
  if (member.admit) parts.push(`admits ${member.admit.join(" ")}`);
  return parts.length > 0 ? `  (${parts.join("; ")})` : "";
}

function drawPod(pod: PodPicture): string {
  const wire = pod.hostInterface === undefined ? "" : `  ${pod.hostInterface}══eth0`;
  const state = pod.phase === "Running" ? "" : `  ${pod.phase}`;
  const addresses = pod.addresses.length > 0 ? pod.addresses.join(" ") : "no address";
  const ports = pod.ports.length > 0 ? `  ${pod.ports.join(" ")}` : "";
  return `pod ${pod.name}${wire}  ${addresses}${ports}${state}`;
}

function branches(lines: readonly string[]): string[] {
  return nested(lines.map((line) => [line]));
}

/** Each entry's first line hangs on the trunk; its further lines are indented below it. */
function nested(entries: readonly (readonly string[])[]): string[] {
  return entries.flatMap(([head = "", ...rest], at) => {
    const last = at === entries.length - 1;
    return [`${last ? "└── " : "├── "}${head}`, ...rest.map((line) => `${last ? "    " : "│   "}${line}`)];
  });
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
