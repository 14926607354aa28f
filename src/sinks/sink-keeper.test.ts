import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AddressList, type AddressListSink, addressListKind } from "../api/kinds/address-list.ts";
import { silent } from "../base/log.ts";
import { systemClock } from "../ipam/clock.ts";
import { run } from "../kernel/exec/index.ts";
import type { Nft } from "../kernel/kernel.ts";
import { change } from "../store/change.ts";
import { memoryStore } from "../store/memory.ts";
import { replaceFile } from "./files.ts";
import { isAtController } from "./places.ts";
import { SinkKeeper } from "./sink-keeper.ts";

let folder: string;
let store: ReturnType<typeof memoryStore>;
let keeper: SinkKeeper;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-sinks-"));
  store = memoryStore();
  const place = { netns: "self", folders: [folder] } as const;
  keeper = new SinkKeeper({
    store,
    logger: silent,
    clock: systemClock,
    at: "controller",
    isHere: isAtController,
    place,
  });
  keeper.start();
});
afterEach(async () => {
  await keeper.stop();
  await store.close();
  rmSync(folder, { recursive: true });
});

const file = (name: string) => path.join(folder, name);
const text = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), "utf8") : undefined);
const entries = (ranges: readonly string[], revision: number) =>
  ranges.map((range) => ({ range, revision, pods: 1, neededBy: ["default/a"] }));

async function list(sinks: readonly AddressListSink[], ranges?: readonly string[]): Promise<void> {
  await store.create<AddressList>(addressListKind, {
    ...addressListKind,
    metadata: { name: "l" },
    spec: { for: [{}], to: "10.9.9.9", sinks },
    ...(ranges && { status: { revision: 1, ranges, entries: entries(ranges, 1) } }),
  } as never);
}

async function becomes(revision: number, ranges: readonly string[]): Promise<void> {
  await change(store, addressListKind, { name: "l" }, (object) => ({
    ...object,
    status: { ...object.status, revision, ranges, entries: entries(ranges, revision) },
  }));
}

const state = async (name: string) =>
  (await store.get(addressListKind, "l"))?.status?.sinks?.find((one) => one.name === name);

describe("who keeps sinks", () => {
  it("writes lists where they are asked for, and says which revision each sink has", async () => {
    await list(
      [
        { name: "t", file: { path: file("t") } },
        { name: "j", file: { path: file("j"), form: "json" } },
        { name: "c", file: { path: file("c"), form: "csv" } },
        { name: "elsewhere", host: "db", file: { path: file("no") } },
      ],
      ["10.0.0.1/32"],
    );
    await expect.poll(() => state("t")).toMatchObject({ at: "controller", revision: 1, ranges: 1 });
    expect(text("t")).toBe("10.0.0.1/32\n");
    await becomes(2, ["10.0.0.1/32", "10.0.0.4/32"]);
    await expect.poll(() => state("t")).toMatchObject({ revision: 2, ranges: 2 });
    expect(text("t")).toBe("10.0.0.1/32\n10.0.0.4/32\n");
    await expect.poll(() => text("c")).toBe("range,why\n10.0.0.1/32,default/a\n10.0.0.4/32,default/a\n");
    await expect
      .poll(() => JSON.parse(text("j") ?? "{}"))
      .toMatchObject({ list: "l", to: "10.9.9.9", ranges: ["10.0.0.1/32", "10.0.0.4/32"] });
    expect(await state("elsewhere")).toBeUndefined();
    expect(text("no")).toBeUndefined();
  });

  it("writes nothing of a list that holds what is no range, and says so", async () => {
    await list([{ name: "t", file: { path: file("t") } }], ["10.0.0.1/32"]);
    await expect.poll(() => text("t")).toBe("10.0.0.1/32\n");
    await becomes(2, ["10.0.0.1/32", "10.0.0.4/32 }; flush ruleset"]);
    await expect
      .poll(async () => (await state("t"))?.error)
      .toMatch(/holds '10.0.0.4\/32 }; flush ruleset', which is no address and no range/);
    expect(text("t")).toBe("10.0.0.1/32\n");
  });

  it("waits for the controller to make the list", async () => {
    writeFileSync(file("t"), "what was there\n");
    await list([{ name: "t", file: { path: file("t") } }]);
    await store.list(addressListKind);
    await becomes(1, ["10.0.0.1/32"]);
    await expect.poll(() => text("t")).toBe("10.0.0.1/32\n");
  });

  it("says why a sink fails, holds up no other by it, and catches up", async () => {
    await list(
      [
        { name: "bad", file: { path: file("sub/t") } },
        { name: "good", file: { path: file("t") } },
      ],
      ["10.0.0.1/32"],
    );
    await expect.poll(async () => (await state("bad"))?.error).toContain("sub/t");
    await expect.poll(() => state("good")).toMatchObject({ revision: 1 });
    const { status } = (await store.get(addressListKind, "l"))!;
    expect(status?.conditions).toMatchObject([{ type: "Ready", status: "False", reason: "SinkFails" }]);
    await becomes(2, ["10.0.0.2/32"]);
    await expect.poll(() => state("good")).toMatchObject({ revision: 2 });
    expect(await state("bad")).toMatchObject({ revision: 0, errorSince: expect.any(String) });
    mkdirSync(file("sub"));
    await expect.poll(() => state("bad"), { timeout: 10_000 }).toMatchObject({ revision: 2 });
    expect(text("sub/t")).toBe("10.0.0.2/32\n");
    expect(await state("bad")).not.toHaveProperty("error");
    await expect
      .poll(async () => (await store.get(addressListKind, "l"))?.status?.conditions)
      .toMatchObject([{ type: "Ready", status: "True" }]);
  });

  it("writes nowhere else, also not by a link", async () => {
    const outside = mkdtempSync(path.join(tmpdir(), "trunkline-outside-"));
    try {
      symlinkSync(outside, file("link"));
      await list(
        [
          { name: "out", file: { path: path.join(outside, "t") } },
          { name: "link", file: { path: file("link/t") } },
        ],
        ["10.0.0.1/32"],
      );
      for (const name of ["out", "link"])
        await expect.poll(async () => (await state(name))?.error).toContain("--sink-folder");
      expect(existsSync(path.join(outside, "t"))).toBe(false);
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it("waits for nothing that is no file, however many there are, and leaves it as it is", async () => {
    // More than there are threads for files.
    const pipes = Array.from({ length: 8 }, (_, at) => `pipe${at}`);
    await run("mkfifo", pipes.map(file));
    await list(
      [...pipes, "t"].map((name) => ({ name, file: { path: file(name) } })),
      ["10.0.0.1/32"],
    );
    await expect.poll(() => text("t")).toBe("10.0.0.1/32\n");
    for (const name of pipes)
      await expect.poll(async () => (await state(name))?.error).toContain("is no file");
    expect(statSync(file("pipe0")).isFIFO()).toBe(true);
  });

  it("lets no two sinks write to one place: the later one says whose it is, and has it once that one is gone", async () => {
    const sinks = (...names: string[]) => names.map((name) => ({ name, file: { path: file("t") } }));
    await list(sinks("a", "b"), ["10.0.0.1/32"]);
    await expect.poll(async () => (await state("b"))?.error).toContain("sink a of AddressList l");
    await expect.poll(() => state("a")).toMatchObject({ revision: 1 });
    expect(await state("a")).not.toHaveProperty("error");
    await change(store, addressListKind, { name: "l" }, (object) => ({
      ...object,
      spec: { ...object.spec, sinks: sinks("b") },
    }));
    await expect.poll(() => state("b"), { timeout: 10_000 }).not.toHaveProperty("error");
    expect(await state("b")).toMatchObject({ revision: 1 });
  });

  it("replaces a file with its mode, and through a link the file that it leads to", async () => {
    writeFileSync(file("real"), "before\n");
    chmodSync(file("real"), 0o640);
    symlinkSync("real", file("link"));
    await list([{ name: "t", file: { path: file("link") } }], ["10.0.0.1/32"]);
    await expect.poll(() => text("real")).toBe("10.0.0.1/32\n");
    expect(statSync(file("real")).mode & 0o777).toBe(0o640);
    // What a process has left that died in the middle is no hindrance.
    writeFileSync(file(".real.trunkline"), "half");
    await replaceFile(file("real"), "whole\n");
    expect(text("real")).toBe("whole\n");
    expect(existsSync(file(".real.trunkline"))).toBe(false);
  });

  it("does nothing for a sink whose words no schema would let pass, as a server that knows none of them does", async () => {
    const ran: string[] = [];
    const nft: Partial<Nft> = {
      list: async (command) => void ran.push(command),
      run: async (command) => void ran.push(command),
    };
    const place = { netns: "self", folders: [folder], nft: nft as Nft } as const;
    const firewall = new SinkKeeper({
      store,
      logger: silent,
      clock: systemClock,
      at: "node/n",
      isHere: ({ nodes }) => nodes !== undefined,
      place,
    });
    firewall.start();
    const table = "t s\nflush ruleset\nlist set inet t";
    await list(
      [
        { name: "n", nodes: {}, nft: { family: "inet", table, ipv4Set: "s" } },
        { name: "f", file: { path: `${folder}/a b\nc` } },
      ],
      ["10.0.0.1/32"],
    );
    const errorOf = async (name: string) => (await state(name))?.error;
    await expect.poll(() => errorOf("n")).toMatch(/table: .*is not the name of a table or set/s);
    await expect.poll(() => errorOf("f")).toMatch(/path: .*may hold letters/s);
    await firewall.stop();
    expect(ran).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});
