// Other programs' chains on a hook, beside our own: what they do to a traced packet.
import { formatIp, type Ip } from "../../base/ip.ts";
import {
  chainsOn,
  explore,
  type Hook,
  type HookPacket,
  type HookResult,
  type Ruleset,
  walkChain,
} from "../../plan/foreign/index.ts";
import type { TraceLink, TracePacket } from "../../plan/trace/packet.ts";
import type { TraceStep } from "../../plan/trace/trace.ts";

export interface ForeignOutcome {
  readonly steps: readonly TraceStep[];
  /** drop, reject: they stop it; null: what becomes of it cannot be told. */
  readonly verdict: "accept" | "drop" | "reject" | null;
  readonly why?: string;
  /** Where it is sent instead. */
  readonly moved?: Moved;
}

export interface Moved {
  readonly destination: Ip;
  /** undefined: as before. */
  readonly port: number | undefined;
}

const untouched: ForeignOutcome = { steps: [], verdict: "accept" };

/**
 * Walks others' filter chains on a hook, and those that may change the destination; sources are the explanation's.
 * @param isMoved whether its destination was changed on an earlier hook of this machine: that is decided once
 */
export function foreignOn(
  rules: Ruleset | undefined,
  hook: string,
  packet: TracePacket,
  isLocal: (address: string) => boolean,
  isMoved = false,
): ForeignOutcome {
  if (!rules) return untouched;
  // Whatever passes the machine may meet what could not be read.
  if (rules.unreadable.length > 0)
    return { steps: [], verdict: null, why: `not read: ${rules.unreadable.join("; ")}` };
  const { family } = packet.source;
  const { filters, nats } = chainsOn(rules, hook as Hook, family);
  const diverting = hook === "prerouting" || hook === "output" ? nats : [];
  for (const chain of [...filters, ...diverting]) {
    const worlds = explore((choices) =>
      walkChain(rules, chain, hookPacket(packet, isLocal, isMoved), choices),
    );
    const results = worlds.map(({ told }) => told);
    if (results.every((one) => one?.type === "pass")) continue;
    const [first] = results;
    if (first?.type === "stop" && results.every((one) => one?.type === "stop")) {
      const verdict = first.as === "dropped" ? "drop" : "reject";
      return { steps: [{ hook, chain: "of another program", rule: first.by, does: verdict }], verdict };
    }
    const moved = movedAlike(results);
    if (moved) {
      const { by, destination, port } = moved;
      const does = `sends it to ${formatIp(destination)}${port === undefined ? "" : `, port ${port}`}`;
      const step = { hook, chain: "of another program", rule: by, does };
      return { steps: [step], verdict: "accept", moved: { destination, port } };
    }
    const translating = results.find((one) => one?.type === "translate");
    const doubts = worlds.flatMap((world) => world.doubts);
    const why = translating
      ? `another program's rule sends it elsewhere: ${translating.by}`
      : `it depends on another program's rules: ${[...new Set(doubts)].join("; ")}`;
    return { steps: [], verdict: null, why };
  }
  return untouched;
}

/** Returns where a rule sends the packet, if one does for sure, and to one place; undefined: none does, or it cannot be told. */
function movedAlike(
  results: readonly (HookResult | undefined)[],
): (Moved & { readonly by: string }) | undefined {
  const [first] = results;
  if (results.length !== 1 || first?.type !== "translate" || first.to.type !== "dnat" || !first.to.to)
    return undefined;
  const { to, ports } = first.to;
  if (to.first !== to.last || ports?.first !== ports?.last) return undefined;
  return { by: first.by, destination: { family: to.family, value: to.first }, port: ports?.first };
}

function hookPacket(packet: TracePacket, isLocal: HookPacket["isLocal"], isMoved: boolean): HookPacket {
  const range = ({ family, value }: TracePacket["source"]) => ({ family, first: value, last: value });
  return {
    family: packet.source.family,
    source: range(packet.source),
    destination: range(packet.destination),
    protocol: packet.protocol,
    port: packet.port,
    sourcePort: undefined,
    mark: 0,
    in: nameOf(packet.in),
    out: nameOf(packet.out),
    state: "new",
    translated: { dnat: isMoved, snat: false },
    isLocal,
    isFirst: true,
  };
}

/** On a hook where there is no such link its name is empty; that of an uplink is not known here. */
function nameOf(link: TraceLink | undefined): string | undefined {
  if (link === undefined) return "";
  return link.group === 0 ? undefined : link.name;
}
