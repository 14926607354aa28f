// The way of the packets that a tunnel's packets are packed in: nodes send and take them as any other, so that rules of others
// on nodes and routers meet them. They are no pods', and our own rules let nodes' tunnels pass.

import { parseIp } from "../../base/ip.ts";
import type { Choices, Hook, HookPacket, Translation } from "../../plan/foreign/index.ts";
import { protocolNumbers } from "../../plan/foreign/types.ts";
import {
  IPIP_PROTOCOL,
  outerAddress,
  type TunnelType,
  tunnelTypes,
  VXLAN_PORT,
} from "../../plan/routing/tunnels.ts";
import { addressing } from "../ground/addressing.ts";
import type { GroundLink, Machine } from "../ground/ground.ts";
import { nodeName, tunnelNetwork } from "../ground/ground.ts";
import { chooseSource } from "../ground/source.ts";
import type { Network } from "../judges/judge.ts";
import { passHook } from "./hook.ts";
import { one } from "./parcel.ts";
import { PickedWays } from "./picked-ways.ts";

/** No way in any lab is longer. */
const MOST_HOPS = 16;

const unmarked = { mark: 0 } as const;

export interface Outer {
  readonly network: Network;
  readonly choices: Choices;
  readonly start: Machine;
  /** The tunnel's device. */
  readonly link: GroundLink;
  /** The address of the tunnel's other end. */
  readonly to: string;
  /** Of what is packed in: its packets have it, too, until they leave the machine. */
  readonly mark: number | undefined;
}

/** What comes of a tunnel's packets. */
export interface OuterFate {
  /** Why they do not get to its other end; absent: rules let them. */
  readonly stopped?: string;
  /** What rules have given them at its other end: what was packed in them has it from there on (iptunnel_pull_header). */
  readonly mark: number | undefined;
}

/** Sends a tunnel's packets to its other end. */
export function sendOuter({ network, choices, start, link, to, mark }: Outer): OuterFate {
  const type = tunnelTypes.find(({ device }) => tunnelNetwork(device) === link.network);
  const source = type && outerSource(network, start, type, to);
  if (!type || source === undefined) return unmarked;
  const { atlas } = network;
  const picked = new PickedWays();
  let machine = start;
  let by = "";
  for (let hops = 0; hops < MOST_HOPS; hops++) {
    const next = picked.of(atlas.onward(machine, to, by === "", { source }), choices);
    // That the way leads there was asked before.
    if (next.type === "nowhere" || next.type === "pod") return unmarked;
    const out = next.type === "next" ? next.link : undefined;
    const packet: HookPacket = {
      family: type.family,
      source: one(source),
      destination: one(to),
      protocol: type.kind === "ipip" ? IPIP_PROTOCOL : protocolNumbers["udp"]!,
      port: type.kind === "ipip" ? undefined : VXLAN_PORT,
      sourcePort: undefined,
      mark: by === "" ? mark : 0,
      in: by,
      out: "",
      state: "new",
      translated: { dnat: false, snat: false },
      ...addressing(atlas, machine),
      isFirst: true,
    };
    const via = next.type === "next" ? next.via : undefined;
    const stopped = passHooks({ network, choices, machine, packet, out, via });
    if (stopped !== undefined) return { stopped, mark: 0 };
    if (next.type === "local") return { mark: packet.mark };
    const [target] = next.machines;
    if (!target) return unmarked;
    machine = target;
    by = target.links.find((one) => one.network === next.link.network)?.name ?? "?";
  }
  return unmarked;
}

interface AtMachine extends Pick<Outer, "network" | "choices"> {
  readonly machine: Machine;
  readonly packet: HookPacket;
  readonly out: GroundLink | undefined;
  readonly via: string | undefined;
}

function passHooks(at: AtMachine): string | undefined {
  const { machine, packet, out } = at;
  const isOwn = packet.in === "";
  const hooks: readonly Hook[] = [
    isOwn ? "output" : "prerouting",
    ...(out ? (isOwn ? [] : (["forward"] as const)) : (["input"] as const)),
    ...(out ? (["postrouting"] as const) : []),
  ];
  const states = statesAt(machine, packet);
  for (const hook of hooks) {
    const isOut = hook === "output" || hook === "forward" || hook === "postrouting";
    const said = states.map((state) => {
      const asked = { ...packet, state, out: isOut ? (out?.name ?? "lo") : "" };
      const stop = stopAt(at, hook, asked);
      packet.mark = asked.mark;
      return stop;
    });
    const stops = said.filter((stop) => stop !== undefined);
    if (stops.length === 0) continue;
    const why = `${machine.name} stops the packets of the tunnel: ${stops[0]}`;
    if (stops.length < said.length) throw at.choices.untold(`${why}, at first or for good`);
    return why;
  }
  return undefined;
}

/**
 * Nodes do not track what they send each other through tunnels (plan/routing/tunnel-guard.ts), and so translate none of it.
 * For who does, all IP in IP between two nodes is one connection; of VXLAN each flow in it is one, and its answers another.
 */
function statesAt(machine: Machine, { port }: HookPacket): readonly HookPacket["state"][] {
  if (nodeName(machine.name) !== undefined) return ["untracked"];
  return port === undefined ? ["new", "established"] : ["new"];
}

function stopAt(
  { network, choices, machine, out, via }: AtMachine,
  hook: Hook,
  packet: HookPacket,
): string | undefined {
  const translate = (rule: string, to: Translation): boolean => {
    if (isSame(machine, packet, to, out, via)) return true;
    throw choices.untold(`what becomes of packets of a tunnel that ${machine.name} translates: ${rule}`);
  };
  return passHook({ hook, rules: network.rulesOf(machine.name), packet, choices, translate })?.by;
}

/** Returns whether a translation leaves the packet as it was. */
function isSame(
  machine: Machine,
  { source, destination }: HookPacket,
  to: Translation,
  out: GroundLink | undefined,
  via: string | undefined,
): boolean {
  if (to.type === "snat") return to.to.first === source.first && to.to.last === source.last;
  if (to.type !== "masquerade" || !out) return false;
  const ip = { family: destination.family, value: destination.first };
  const chosen = chooseSource(machine, out, ip, via === undefined ? ip : parseIp(via));
  return chosen !== undefined && parseIp(chosen).value === source.first;
}

/** The address that a machine's tunnel sends from: that of its node, which others know it by. */
function outerSource(
  { facts, atlas }: Network,
  machine: Machine,
  { family }: TunnelType,
  to: string,
): string | undefined {
  const node = facts.nodes.get(nodeName(machine.name) ?? "");
  return (node && outerAddress(facts, node, family)) ?? atlas.sourceOn(machine, to);
}
