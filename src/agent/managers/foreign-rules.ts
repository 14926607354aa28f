// A node's foreign NAT rules: read by the kernel's tools, understood by the plan.
import { readForeignNat } from "../../kernel/foreign-nat.ts";
import type { Kernel, NetnsRef } from "../../kernel/kernel.ts";
import { type NodeForeignRules, understand } from "./foreign-texts.ts";

export type { NodeForeignRules } from "./foreign-texts.ts";

/** Reads all NAT rules of a node but our own. @throws `kernel.nft`, `kernel.command` */
export async function readForeignRules(kernel: Kernel, netns: NetnsRef): Promise<NodeForeignRules> {
  return understand(await readForeignNat(kernel, netns));
}
