// Rules of others: read, judge, predict, and take over.
export { type Backup, backupOf, type CleanStep, cleanSteps, deletionCommand, undoSteps } from "./clean.ts";
export { configMapEdit, daemonSetEdit, type Edit } from "./edits.ts";
export {
  type ForeignEffect,
  type ForeignFlow,
  foreignNatEffect,
  ruleName,
} from "./effect.ts";
export type { Exit } from "./in-the-way.ts";
export { parseIptablesSave } from "./parse-iptables.ts";
export { parseNftJson } from "./parse-nft.ts";
export type { ExitLink } from "./set-walk.ts";
export { type JudgedRule, planTakeover, type Running, type Takeover } from "./takeover.ts";
export type { ForeignRule, ForeignRules } from "./types.ts";
