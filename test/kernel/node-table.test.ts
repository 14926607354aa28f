// The node's table with a part that the kernel refuses: the others go on.
import { afterEach, beforeEach, expect, it } from "vitest";
import { NodeTable } from "../../src/agent/managers/node-table.ts";
import { type Kernel, linuxMachine } from "../../src/kernel/index.ts";

const machine = linuxMachine();
const netns = `tlt${process.pid}`;
let kernel: Kernel;
beforeEach(() => {
  machine.createNetns(netns);
  kernel = machine.open({ name: netns });
});
afterEach(async () => {
  kernel.close();
  await machine.removeNetns(netns);
});

const listing = () => kernel.nft.text("list table inet trunkline");
/** Destinations are translated in chains of type nat only: the kernel says no, and not nft's parser. */
const refused = "ip saddr 192.0.2.1 dnat ip to 192.0.2.2";
const map = { key: ["ipv4_addr"], value: "verdict" } as const;

it("refuses one part, before and after the others are in force", async () => {
  const table = new NodeTable(kernel.nft, ["policy", "snat"]);
  const [policy, snat] = [table.document("policy"), table.document("snat")];
  const forward = { type: "filter", hook: "forward", priority: 0 } as const;
  snat.setChain("nat-bad", { base: forward, rules: [refused] });
  snat.setChain("nat-good", { rules: ["accept"] });
  await expect(table.commit("snat")).rejects.toMatchObject({ code: "kernel.nft" });
  policy.setSet("policy-map", map);
  policy.setChain("policy-one", { base: forward, rules: ["ip saddr vmap @policy-map"] });
  policy.setElement("policy-map", "10.0.0.1", "drop");
  await table.commit("policy");
  expect(await listing()).toContain("10.0.0.1 : drop");
  policy.setElement("policy-map", "10.0.0.2", "drop");
  await table.commit("policy");
  snat.removeChain("nat-bad");
  await table.commit("snat");
  expect(await listing()).toContain("chain nat-good");
  snat.setChain("nat-bad", { base: forward, rules: [refused] });
  await expect(table.commit("snat")).rejects.toMatchObject({ code: "kernel.nft" });
  // What was in force of the refused part still is.
  const now = await listing();
  for (const text of ["chain nat-good", "10.0.0.1 : drop, 10.0.0.2 : drop"])
    expect(now?.replaceAll(/\s+/g, " ")).toContain(text);
  await table.restore("policy");
});

it("takes over an earlier agent's table, whatever its definitions were", async () => {
  await kernel.nft.run(`add table inet trunkline
add chain inet trunkline policy-one { type filter hook input priority 7; }
add set inet trunkline policy-map { type inet_service; }
add rule inet trunkline policy-one tcp dport @policy-map drop
add chain inet trunkline nat-kept
add rule inet trunkline nat-kept counter accept
add chain inet trunkline forgotten
`);
  const table = new NodeTable(kernel.nft, ["policy", "snat"]);
  const policy = table.document("policy");
  policy.setSet("policy-map", map);
  policy.setElement("policy-map", "10.0.0.1", "drop");
  const base = { type: "filter", hook: "forward", priority: 0 } as const;
  policy.setChain("policy-one", { base, rules: ["ip saddr vmap @policy-map"] });
  await table.commit("policy");
  const between = await listing();
  expect(between).toContain("hook forward");
  expect(between).not.toContain("hook input");
  for (const name of ["nat-kept", "forgotten"]) expect(between).toContain(`chain ${name}`);
  await table.commit("snat");
  const after = await listing();
  for (const name of ["nat-kept", "forgotten"]) expect(after).not.toContain(`chain ${name}`);
});
