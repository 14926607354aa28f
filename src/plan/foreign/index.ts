// Other programs' rules as packets meet them.
export { Choices, explore, type Maybe, type World } from "./choices.ts";
export type { HookPacket, IcmpError } from "./hook-packet.ts";
export { flagsOfAnswers, flagsOfOpener, flagsOfRefusal } from "./packet-parts.ts";
export { type RuleTexts, rulesetOf } from "./ruleset.ts";
export { type Chain, type Hook, noRules, type Rejection, type Ruleset } from "./types.ts";
export {
  chainsOn,
  type HookResult,
  type Translation,
  walkChain,
} from "./walk.ts";
