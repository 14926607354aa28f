// What happens to a packet on one hook of one machine: others' filters and ours by their priority, and on its way the
// translation of the connection's first packet.
import {
  type Chain,
  type Choices,
  chainsOn,
  type Hook,
  type HookPacket,
  type HookResult,
  noRules,
  type Rejection,
  type Ruleset,
  type Translation,
  walkChain,
} from "../../plan/foreign/index.ts";

/** linux/netfilter_ipv4.h: where the kernel translates. */
const natPriority: Readonly<Partial<Record<Hook, number>>> = {
  prerouting: -100,
  output: -100,
  postrouting: 100,
  input: 100,
};

/** Something of ours on a hook, in its place among others'. */
export interface OwnPart {
  readonly priority: number;
  /** Returns whether it refuses the packet, which then comes no further. */
  readonly run: () => boolean;
}

export interface Refused {
  readonly by: string;
  readonly as: "dropped" | Rejection;
}

export interface HookPass {
  readonly hook: Hook;
  readonly rules: Ruleset | undefined;
  readonly packet: HookPacket;
  readonly choices: Choices;
  readonly own?: readonly OwnPart[];
  /** Our own source translation, among others' nat chains by its priority; returns whether it has translated. */
  readonly ownNat?: { readonly priority: number; readonly run: () => boolean };
  /** Translations were decided on an earlier hook of this machine: they are not asked for again. */
  readonly isSettled?: boolean;
  /** Called for a translation by others; changes the packet. Returns false where the kernel drops it instead. */
  readonly translate?: (by: string, to: Translation) => boolean;
}

/** Lets a packet pass a hook. Returns who refuses it; undefined: nobody. */
export function passHook(pass: HookPass): Refused | undefined {
  const { hook, rules = noRules, packet, choices } = pass;
  const { filters, nats } = chainsOn(rules, hook, packet.family);
  for (const what of rules.unreadable) throw choices.untold(what);
  let refused: Refused | undefined;
  const told = (result: HookResult) => {
    if (result.type === "stop") refused ??= { by: result.by, as: result.as };
  };
  const priorities = [...new Set(filters.map(({ base }) => base?.priority ?? 0))];
  const steps: { readonly priority: number; readonly run: () => unknown }[] = [
    ...(pass.own ?? []),
    ...priorities.map((priority) => ({
      priority,
      run: () =>
        told(
          filterEquals(
            pass,
            filters.filter(({ base }) => (base?.priority ?? 0) === priority),
          ),
        ),
    })),
  ];
  const at = natPriority[hook];
  if (at !== undefined && packet.state === "new" && pass.isSettled !== true)
    steps.push({ priority: at, run: () => told(translateFirst(pass, nats)) });
  for (const { run } of steps.toSorted((a, b) => a.priority - b.priority)) {
    if (run() === true) return undefined;
    if (refused) return refused;
  }
  return undefined;
}

/** Whoever was registered first goes first among equals, which cannot be seen: where two of them refuse, either does. */
function filterEquals({ rules = noRules, packet, choices }: HookPass, equals: readonly Chain[]): HookResult {
  const results = equals.map((chain) => walkChain(rules, chain, packet, choices));
  const stops = results.filter((result) => result.type === "stop");
  const [first, other] = [stops[0], stops.find(({ as }) => as !== stops[0]?.as)];
  if (!first) return { type: "pass" };
  if (!other) return first;
  return choices.pick(2, `which comes first, ${first.by} or ${other.by}`) === 0 ? first : other;
}

/** Nat chains by their priority, until one of them translates. */
function translateFirst(
  { rules = noRules, packet, choices, ownNat, translate }: HookPass,
  nats: readonly Chain[],
): HookResult {
  const none: HookResult = { type: "pass" };
  const ours = ownNat ? [{ priority: ownNat.priority, chain: undefined }] : [];
  const all = [...ours, ...nats.map((chain) => ({ priority: chain.base?.priority ?? 0, chain }))];
  for (const priority of [...new Set(all.map((one) => one.priority))].toSorted((a, b) => a - b)) {
    for (const { chain } of inSomeOrder(
      all.filter((one) => one.priority === priority),
      choices,
    )) {
      if (!chain) {
        if (ownNat?.run()) return none;
        continue;
      }
      const result = walkChain(rules, chain, packet, choices);
      if (result.type === "stop") return result;
      if (result.type === "translate") {
        const isDone = translate?.(result.by, result.to) ?? true;
        return isDone ? none : { type: "stop", by: result.by, as: "dropped" };
      }
    }
  }
  return none;
}

/** Who was registered first goes first among equals, which cannot be seen: either may. */
function inSomeOrder<T extends { readonly chain: Chain | undefined }>(
  equals: readonly T[],
  choices: Choices,
): readonly T[] {
  const filled = equals.filter(({ chain }) => chain === undefined || chain.rules.length > 0);
  if (filled.length < 2) return filled;
  const names = filled.map(({ chain }) => chain?.title ?? "ours").join(" or ");
  return choices.pick(2, `which comes first, ${names}`) === 0 ? filled : filled.toReversed();
}
