// Other programs' rules as packets meet them.
export { Choices, explore, type Maybe, type World } from "./choices.ts";
export { type RuleTexts, rulesetOf } from "./ruleset.ts";
export { type Chain, type Hook, noRules, type Rejection, type Ruleset } from "./types.ts";
export {
  chainsOn,
  type HookPacket,
  type HookResult,
  type IcmpError,
  type Translation,
  walkChain,
} from "./walk.ts";
