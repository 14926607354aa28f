// `trunkline ipam` as people run it, beside an allocator that is at work in this process.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { addressBlockKind } from "../../../src/api/kinds/address-block.ts";
import { nodeKind, podKind } from "../../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../../src/api/kinds/ip-pool.ts";
import { releaseAddresses } from "../../../src/cli/ipam/release.ts";
import { NodeIpam } from "../../../src/ipam/node-ipam.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import type { Store } from "../../../src/store/store.ts";

const main = path.resolve(import.meta.dirname, "../../../src/cli/main.ts");
const pool = { name: "pool", cidr: "10.1.0.0/24", blockSize: 26 };

let folder: string;
let store: Store;
let ipam: NodeIpam;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-ipam-"));
  store = openSqliteStore(path.join(folder, "store.db"));
  ipam = new NodeIpam({ store, node: "a", journal: path.join(folder, "ipam") });
  await ipam.start();
  await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "a" } });
  await store.create(ipPoolKind, {
    apiVersion: ipPoolKind.apiVersion,
    kind: "IPPool",
    metadata: { name: pool.name },
    spec: { cidr: pool.cidr, blockSize: pool.blockSize },
  });
});
afterEach(async () => {
  await ipam.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

async function trunkline(...words: string[]) {
  const where = ["--store", `sqlite:${folder}/store.db`, "--state", folder];
  const all = ["--disable-warning=ExperimentalWarning", main, ...words, ...where];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "pipe"] });
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await exit, out, error };
}

async function hold(name: string): Promise<string> {
  const owner = { containerId: `c-${name}`, ifName: "eth0", pod: `default/${name}`, uid: "" };
  const { addresses } = await ipam.allocate({ owner, wants: [{ family: 4, pools: [pool] }] });
  return addresses[0]?.address ?? "";
}

async function runPod(name: string, podIP: string): Promise<void> {
  await store.create(podKind, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { containers: [], nodeName: "a" },
    status: { phase: "Running", podIP },
  });
}

it("shows who holds what, finds a leak, and frees it by its report", async () => {
  const living = await hold("living");
  await runPod("living", living);
  const leaked = await hold("leaked");

  const shown = await trunkline("ipam", "show", "--addresses", "-o", "json");
  expect(JSON.parse(shown.out)).toMatchObject({
    pools: [{ pool: "pool", size: "256", used: 2, free: "254", blocks: 1 }],
    addresses: [
      { address: living, pod: "default/living", node: "a" },
      { address: leaked, pod: "default/leaked", node: "a" },
    ],
  });

  const found = await trunkline("ipam", "check", "-o", "json");
  expect(found.code).toBe(1);
  expect(JSON.parse(found.out)).toMatchObject({ ok: false, findings: [{ kind: "leak", what: leaked }] });

  expect(await trunkline("ipam", "release", living, "--yes")).toMatchObject({
    code: 1,
    out: `${living}: not freed: pod default/living uses it\n`,
  });
  expect((await trunkline("ipam", "release", leaked)).code).toBe(2);

  const report = path.join(folder, "report.json");
  writeFileSync(report, found.out);
  expect(await trunkline("ipam", "release", "--from-report", report, "--yes")).toMatchObject({
    code: 0,
    out: `${leaked}: freed\n`,
  });
  expect(ipam.holderOf(leaked)).toBeUndefined();
  expect(await trunkline("ipam", "check")).toMatchObject({ code: 0 });

  // The address belongs to somebody else now: the report is about an allocation that is over.
  const again = await ipam.allocate({
    owner: { containerId: "c-new", ifName: "eth0", pod: "default/new", uid: "" },
    wants: [{ family: 4, pools: [pool], address: leaked }],
  });
  expect(again.addresses[0]?.address).toBe(leaked);
  const stale = await trunkline("ipam", "release", "--from-report", report, "--yes");
  expect(stale).toMatchObject({ code: 1 });
  expect(stale.out).toContain("the report is stale");
});

it("takes an order back that no agent carries out", async () => {
  const leaked = await hold("leaked");
  await ipam.close();
  const options = { store: `sqlite:${folder}/store.db`, state: folder, yes: true, waitMs: 300 };
  expect(await releaseAddresses([leaked], options)).toEqual([
    {
      address: leaked,
      ok: false,
      result: "not freed: the agent of a did not answer; the order is withdrawn",
    },
  ]);
  const { items } = await store.list(addressBlockKind);
  expect(items.map(({ spec }) => spec.releases)).toEqual([[]]);
});

it.each([
  [["release"], "name an address"],
  [["release", "10.1.0"], "is not an IP address"],
  [["release", "10.1.0.1", "--from-report", "x"], "cannot be read"],
  [["release", "--from-report", "/nowhere"], "cannot be read"],
])("says what is wrong with %j", async (words, why) => {
  const { code, error } = await trunkline("ipam", ...words);
  expect(code).toBe(2);
  expect(error).toContain(why);
});
