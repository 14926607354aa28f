// NetworkPolicy: compiled once into a program that the evaluator, the nftables writer and explain all read.
export { compilePolicy } from "./compile.ts";
export { compilePolicies, type PolicyProgram } from "./program.ts";
export { type Doubt, has as hasPlace, ReachTable } from "./reach.ts";
export { readSwitch } from "./switch.ts";
export type * from "./types.ts";
export {
  type DirectionVerdict,
  type Flow,
  type FlowEnd,
  type Verdict,
  type VerdictReason,
  verdict,
} from "./verdict.ts";
