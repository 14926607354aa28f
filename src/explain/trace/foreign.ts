// Other programs' chains on a hook, beside our own: what they do to a traced packet.
import {
  chainsOn,
  explore,
  type Hook,
  type HookPacket,
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
}

const untouched: ForeignOutcome = { steps: [], verdict: "accept" };

/** Walks others' filter chains on a hook, and those that may change the destination; sources are the explanation's. */
export function foreignOn(
  rules: Ruleset | undefined,
  hook: string,
  packet: TracePacket,
  isLocal: (address: string) => boolean,
): ForeignOutcome {
  if (!rules) return untouched;
  // Whatever passes the machine may meet what could not be read.
  if (rules.unreadable.length > 0)
    return { steps: [], verdict: null, why: `not read: ${rules.unreadable.join("; ")}` };
  const { family } = packet.source;
  const { filters, nats } = chainsOn(rules, hook as Hook, family);
  const diverting = hook === "prerouting" || hook === "output" ? nats : [];
  for (const chain of [...filters, ...diverting]) {
    const worlds = explore((choices) => walkChain(rules, chain, hookPacket(packet, isLocal), choices));
    const results = worlds.map(({ told }) => told);
    if (results.every((one) => one?.type === "pass")) continue;
    const [first] = results;
    if (first?.type === "stop" && results.every((one) => one?.type === "stop")) {
      const verdict = first.as === "dropped" ? "drop" : "reject";
      return { steps: [{ hook, chain: "of another program", rule: first.by, does: verdict }], verdict };
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

function hookPacket(packet: TracePacket, isLocal: HookPacket["isLocal"]): HookPacket {
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
    translated: { dnat: false, snat: false },
    isLocal,
    isFirst: true,
  };
}

/** On a hook where there is no such link its name is empty; that of an uplink is not known here. */
function nameOf(link: TraceLink | undefined): string | undefined {
  if (link === undefined) return "";
  return link.group === 0 ? undefined : link.name;
}
