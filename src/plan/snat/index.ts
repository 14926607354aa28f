// Source translation: the plan of one node, the evaluator that explain asks, and the nft writer that the agent uses.
export { type ClusterPart, ClusterParts } from "./cluster-part.ts";
export { decideSnat, type SnatDecision, type SnatFlow } from "./decide.ts";
export { planSnat, type SnatMemory } from "./plan-snat.ts";
export { type ChangedPods, WishBook } from "./pods.ts";
export { leftBlocks } from "./ranges.ts";
export { type SnatRowId, snatRows } from "./rows.ts";
export { rangeName } from "./source-nat-rules.ts";
export type { ConfigStatus, EgressAddress, SnatPlan } from "./types.ts";
