// What is said of a flow in one world, where everything is definite, and what can be said of all worlds together.

import { cidrRange, type IpRange, tryParseCidr, tryParseIp } from "../base/ip.ts";
import type { Choices, World } from "../plan/foreign/index.ts";
import type { End } from "./ends.ts";
import type { Fate, Outcome } from "./fate.ts";
import { rangeOf } from "./journey/parcel.ts";
import type { DirectionVerdict, SourceDecision } from "./judges/judge.ts";

export interface Admission {
  readonly allowed: boolean;
  readonly reason: string;
}

/** One world's answer. */
export interface Told {
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
  readonly admission: Admission | undefined;
  readonly snat: SourceDecision;
  readonly fate: Fate;
  /** Policies of both ends and the far host's own list let it pass. */
  readonly allowed: boolean;
  /** null: nothing tells. */
  readonly reachable: boolean | null;
  readonly expected: Outcome | null;
  /** What it asks for where it ends, after all translations. */
  readonly asks?: { readonly address: string; readonly port: number | undefined };
}

type Parts = Pick<Told, "egress" | "ingress" | "admission" | "snat" | "fate">;

/** Puts the parts of one world's answer together. */
export function toldOf(parts: Parts): Told {
  const { egress, ingress, admission, snat, fate } = parts;
  const leaves = snat.sourceSeen !== undefined;
  const allowed = egress.allowed && ingress.allowed && leaves && (admission?.allowed ?? true);
  const expected = expectedOf(parts);
  const reachable =
    expected === null && (allowed || fate.diverted === true) ? null : allowed && expected === "answered";
  return { ...parts, allowed, reachable, expected };
}

/** Returns what a probe will find: whoever refuses first on the way decides. */
function expectedOf({ egress, ingress, admission, snat, fate }: Parts): Outcome | null {
  const { broken, brokenBefore } = fate;
  if (fate.diverted) return null;
  const leaves = snat.sourceSeen !== undefined || fate.brokenUntranslated === true;
  if (broken !== undefined && brokenBefore === "egress" && leaves) return fate.outcome ?? null;
  if (!egress.allowed || !leaves) return "filtered";
  if (broken !== undefined && brokenBefore !== undefined) return fate.outcome ?? null;
  if (!ingress.allowed) return "filtered";
  if (broken !== undefined) return fate.outcome ?? null;
  return (admission?.allowed === false ? fate.refusal : fate.outcome) ?? null;
}

/** Returns whether an answer is yes: it is allowed, and nothing that is known stands in the way. */
export function isOpen({ allowed, reachable }: Pick<Told, "allowed" | "reachable">): boolean {
  return allowed && reachable !== false;
}

/**
 * A host outside may serve some ranges only: it looks at the address that it sees. Itself it always serves.
 * @param sourceSeen an address, or a range of which the kernel picks one
 */
export function admissionOf(
  { machine }: Fate,
  from: End,
  to: End,
  sourceSeen: string | undefined,
  choices: Choices,
): Admission | undefined {
  const { name } = machine ?? to;
  const list = machine ? machine.admit : to.type === "host" ? to.host.spec.admit : undefined;
  if (sourceSeen === undefined || from.name === name || list === undefined) return undefined;
  const seen = rangeOf(sourceSeen);
  const listed = list.map((text) => ({ text, range: tryRange(text) }));
  const whole = listed.find(
    ({ range }) =>
      range && range.first <= seen.first && seen.last <= range.last && range.family === seen.family,
  );
  const part = listed.find(
    ({ range }) =>
      range && range.family === seen.family && range.first <= seen.last && seen.first <= range.last,
  );
  const found = whole ?? (part && choices.pick(2, `which of ${sourceSeen} is used`) === 0 ? part : undefined);
  return found === undefined
    ? {
        allowed: false,
        reason: `${name} admits only ${list.join(", ") || "nobody"}, and sees ${sourceSeen}`,
      }
    : { allowed: true, reason: `${name} admits ${found.text}, which holds ${sourceSeen}` };
}

function tryRange(text: string): IpRange | undefined {
  const cidr = tryParseCidr(text);
  if (cidr) return cidrRange(cidr);
  const ip = tryParseIp(text);
  return ip && { family: ip.family, first: ip.value, last: ip.value };
}

/** What is the same in all worlds, or not. */
export type Agreed<T> = { readonly sure: true; readonly value: T } | { readonly sure: false };

export function agreed<T, R>(worlds: readonly World<T>[], of: (told: T) => R): Agreed<R> {
  const values = worlds.map(({ told }) => told && of(told));
  const [first] = values;
  if (first === undefined && worlds.some(({ told }) => told === undefined)) return { sure: false };
  const isSame = worlds.every(({ told }, at) => told !== undefined && values[at] === first);
  return isSame ? { sure: true, value: first as R } : { sure: false };
}

/** Returns what is not known and would decide, each once. */
export function doubtsOf(worlds: readonly World<unknown>[]): string[] {
  return [...new Set(worlds.flatMap(({ doubts }) => doubts))];
}
