// A node whose disk is full, as production runs it: nothing is begun that could be forgotten, what runs goes on, and once
// there is room everything is as before.
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostInterfaceName } from "../../src/agent/pods/endpoint.ts";
import { nodeKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import type { Owner } from "../../src/ipam/types.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";
import { AgentMember } from "./agent-member.ts";

let folder: string;
let store: Store;
let member: AgentMember;
let disk: string | undefined;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-full-"));
  const file = path.join(folder, "store.db");
  store = openSqliteStore(file);
  member = new AgentMember("node-a", folder, file);
  await store.create(ipPoolKind, {
    apiVersion: ipPoolKind.apiVersion,
    kind: "IPPool",
    metadata: { name: "pool" },
    spec: { cidr: "10.1.0.0/16", blockSize: 26 },
  });
  await store.create(nodeKind, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "node-a" },
    status: { addresses: [{ type: "InternalIP", address: member.address }] },
  });
});
afterEach(async () => {
  await member.end();
  await store.close();
  if (disk !== undefined) await run("umount", [disk]);
  disk = undefined;
  rmSync(folder, { recursive: true });
});

const owner = (name: string): Owner => ({
  containerId: name,
  ifName: "eth0",
  pod: `default/${name}`,
  uid: "",
});
const add = async (name: string) =>
  (await member.order({ op: "add", owner: owner(name) })) as { address: string }[];
const addressOf = async (name: string) => (await add(name))[0]?.address ?? "";

async function begin(onDisk: string, kib: number): Promise<void> {
  mkdirSync(onDisk, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs", onDisk]);
  disk = onDisk;
  member.start();
  await member.ready;
  await member.untilReady();
}
const ballast = () => path.join(disk ?? "", "ballast");
/** Takes all room but the rest of the pages that are begun. */
function fill(): void {
  const { bfree, bsize } = statfsSync(disk ?? "");
  writeFileSync(ballast(), Buffer.alloc(Number(bfree) * Number(bsize)));
}
/** Adds pods until one is refused; returns the addresses of those that were not, and the refusal. */
async function addUntilRefused(prefix: string) {
  const given = new Map<string, string>();
  for (let n = 0; n < 100; n++) {
    try {
      given.set(`${prefix}${n}`, await addressOf(`${prefix}${n}`));
    } catch (error) {
      return { given, refusal: JSON.parse((error as Error).message) as { code: number; details: string } };
    }
  }
  throw new Error("the disk is never full");
}

describe.each([
  ["its addresses", "node-a/ipam", 32],
  ["all of its state", "node-a", 512],
])("a node without room for %s", (_what, place, kib) => {
  it("refuses, says why, loses nothing when it is killed, and heals", async () => {
    await begin(path.join(folder, place), kib);
    const first = await addressOf("first");
    fill();
    const { given, refusal } = await addUntilRefused("p");
    expect(refusal).toMatchObject({ code: 11, details: expect.stringContaining(path.join(folder, place)) });
    expect(refusal.details).toContain("ENOSPC");
    expect(await member.status()).toMatchObject({ code: 50, details: expect.stringContaining("ENOSPC") });
    // Pods go all the same; their addresses are then free.
    await member.order({ op: "delete", owner: owner("first") });

    await member.kill();
    truncateSync(ballast());
    member.start();
    await member.ready;
    await member.untilReady();
    // What was answered holds: the same answer, over the same wire.
    for (const [name, address] of given) {
      const before = member.link(hostInterfaceName(name, "eth0"));
      expect(before).toBeDefined();
      expect(await addressOf(name)).toBe(address);
      expect(member.link(hostInterfaceName(name, "eth0"))).toBe(before);
      expect(member.routes()).toContain(`${address}/32`);
    }
    // And nobody else gets it: more pods than the block has left.
    const all = [...given.values()];
    for (let n = 0; n < 70; n++) all.push(await addressOf(`q${n}`));
    expect(new Set(all).size).toBe(all.length);
    expect(first).not.toBe("");
    const names = [...given.keys(), ...Array.from({ length: 70 }, (_unused, n) => `q${n}`)];
    expect(member.leftovers()).toHaveLength(names.length);
    for (const name of names) await member.order({ op: "delete", owner: owner(name) });
    // That the first pod is gone could not be written before the kill: the runtime's GC, or the agent's own, finds it.
    await member.order({ op: "collect", uids: [], graceMs: 0 });
    expect((await member.order({ op: "figures" })) as object).toMatchObject({ holdings: 0 });
  });

  it("is ready again by itself when there is room", async () => {
    await begin(path.join(folder, place), kib);
    fill();
    const { given } = await addUntilRefused("p");
    truncateSync(ballast());
    await member.untilReady();
    const more = await addressOf("more");
    expect([...given.values()]).not.toContain(more);
  });

  it("starts on a full disk: pods stay, none is added, and it heals", async () => {
    await begin(path.join(folder, place), kib);
    const one = await addressOf("one");
    fill();
    await member.kill();
    member.start();
    await member.ready;
    expect(await member.status()).toMatchObject({ code: 50 });
    await expect(add("two")).rejects.toMatchObject({ message: expect.stringContaining('"code": 11') });
    expect(member.routes()).toContain(`${one}/32`);
    truncateSync(ballast());
    await member.untilReady();
    expect(await addressOf("one")).toBe(one);
    expect(await addressOf("two")).not.toBe(one);
  });
});
