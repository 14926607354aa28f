// What depends on libnftables itself: namespaces, names of interfaces, several handles at once, and the program.
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { KernelEvent } from "../../../src/kernel/index.ts";
import { Context } from "../../../src/kernel/linux/context.ts";
import { watchEvents } from "../../../src/kernel/linux/events.ts";
import { LinuxNft } from "../../../src/kernel/nft/nft.ts";
import { NftProgram } from "../../../src/kernel/nft/program.ts";
import { makeScene, until } from "../scene.ts";

const scene = makeScene();
const chain = "add table inet t\nadd chain inet t c { type filter hook input priority 0; }";

/** This process's, by the kernel's numbers of them. */
function sockets(): Set<string> {
  const links = readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      // That of the listing itself.
      return [];
    }
  });
  return new Set(links.filter((link) => link.startsWith("socket:")));
}

describe("libnftables", () => {
  it("looks interfaces up by name in the handle's namespace", async () => {
    const { a, b, linkA, linkB } = scene.joined();
    // The same name has another index elsewhere, and none here.
    b.links.add({ kind: "bridge", name: "filler" });
    b.links.add({ kind: "bridge", name: "dev0" });
    a.links.add({ kind: "bridge", name: "dev0" });
    expect(a.links.get("dev0")?.index).not.toBe(b.links.get("dev0")?.index);
    await Promise.all([
      a.nft.run(`${chain}\nadd rule inet t c iif dev0 drop`),
      b.nft.run(`${chain}\nadd rule inet t c iif dev0 drop`),
    ]);
    for (const kernel of [a, b])
      expect(await kernel.nft.text("list chain inet t c")).toContain('iif "dev0" drop');
    await expect(a.nft.run("add rule inet t c iif v1 drop")).rejects.toMatchObject({ code: "kernel.nft" });
    expect([linkA.name, linkB.name]).toEqual(["v0", "v1"]);
  });

  it("works for many namespaces at once", async () => {
    const spaces = Array.from({ length: 12 }, () => scene.space());
    const mine = (at: number): string =>
      Array.from({ length: 500 }, (_, n) => `10.${at}.${n >> 8}.${n & 255}`).join(", ");
    await Promise.all(
      spaces.map(async ({ kernel }, at) => {
        await kernel.nft.run("add table inet t; add set inet t s { type ipv4_addr; }");
        await kernel.nft.run(`add element inet t s { ${mine(at)} }`);
      }),
    );
    for (const [at, { kernel }] of spaces.entries()) {
      const [, set] = (await kernel.nft.list("list set inet t s")) as [object, { set: { elem: string[] } }];
      expect(set.set.elem).toHaveLength(500);
      expect(set.set.elem.every((element) => element.startsWith(`10.${at}.`))).toBe(true);
    }
  });

  it("hands its socket to no program that is started", async () => {
    const O_CLOEXEC = 0o2000000;
    const descriptors = () => readdirSync("/proc/self/fd");
    const before = new Set(descriptors());
    const { kernel } = scene.space();
    await kernel.nft.run("add table inet t");
    const kept = descriptors().filter((fd) => {
      if (before.has(fd) || !existsSync(`/proc/self/fd/${fd}`)) return false;
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
      return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
    });
    expect(kept).toEqual([]);
  });

  it("leaves the event loop alone while a big transaction runs", async () => {
    const { kernel } = scene.space();
    await kernel.nft.run("add table inet t; add set inet t s { type ipv4_addr; }");
    const elements = Array.from({ length: 20_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`).join(", ");
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await kernel.nft.run(`add element inet t s { ${elements} }`);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it("begins anew once nobody has used it for a while, and its changes are known as ours before and after", async () => {
    const { kernel } = scene.space();
    const events: KernelEvent[] = [];
    const watch = kernel.watch(["nftables"], (event) => events.push(event));
    await kernel.nft.run("add table inet t");
    const before = sockets();
    await until(() => sockets().difference(before).size > 0);
    // The one before is closed.
    expect([sockets().difference(before).size, before.difference(sockets()).size]).toEqual([1, 1]);
    await kernel.nft.run("add table inet u");
    await until(() => events.length > 1);
    expect(events.map((event) => event.kind === "nftables" && event.byUs)).toEqual([true, true]);
    watch.stop();
  });

  it("refuses what is asked of a closed handle, also what was waiting", async () => {
    const { kernel } = scene.space();
    const first = kernel.nft.run("add table inet t");
    kernel.close();
    await Promise.allSettled([first]);
    await expect(kernel.nft.run("add table inet u")).rejects.toMatchObject({ code: "kernel.closed" });
  });
});

describe("the nft program", () => {
  it("does the same where the library is missing", async () => {
    const { name, kernel } = scene.space();
    const context = new Context({ name });
    const nft = new LinuxNft(context, (used) => new NftProgram(used));
    const events: KernelEvent[] = [];
    const watch = watchEvents(
      context,
      ["nftables"],
      (event) => events.push(event),
      (port) => nft.isOurs(port),
    );
    await nft.run(`${chain}\nadd rule inet t c iif lo accept`);
    expect(await kernel.nft.text("list chain inet t c")).toContain('iif "lo" accept');
    expect(await nft.text("list chain inet t c")).toContain('iif "lo" accept');
    expect(await nft.list("list table inet t")).toContainEqual(
      expect.objectContaining({ chain: expect.objectContaining({ name: "c", hook: "input" }) }),
    );
    expect(await nft.list("list table inet other")).toBeUndefined();
    await expect(nft.run("add rule inet t nowhere accept")).rejects.toThrow("No such file or directory");
    await until(() => events.length > 0);
    expect(events).toEqual([{ kind: "nftables", table: "t", byUs: true }]);
    watch.stop();
    context.close();
  });
});
