import { readFileSync, statSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { linuxMachine } from "../../../src/kernel/index.ts";
import type { Kernel } from "../../../src/kernel/kernel.ts";
import { sinkOf } from "../../../src/sinks/make.ts";
import type { SinkList, SinkPlace } from "../../../src/sinks/sink.ts";
import { haproxyServer, nginxServer, postgresServer, type Server } from "./servers.ts";

function listOf(...hosts: number[]): SinkList {
  const ranges = hosts.map((host) => `127.0.0.${host}/32`);
  return { name: "l", to: "host/db", ranges, sources: ranges.map((range) => ({ range, why: "default/a" })) };
}

const makers: Readonly<Record<string, () => Server | Promise<Server>>> = {
  nginx: nginxServer,
  "HAProxy with an ACL": () => haproxyServer(),
  "HAProxy with a map": () => haproxyServer("yes"),
  PostgreSQL: postgresServer,
};

describe.each(Object.entries(makers))("the sink of %s", (_name, make) => {
  let server: Server;
  let place: SinkPlace;
  beforeEach(async () => {
    server = await make();
    place = { netns: "self", folders: [server.folder] };
    await server.start();
  });
  afterEach(() => server.close());

  const admitted = async (...hosts: number[]) => {
    const all = await Promise.all(hosts.map((host) => server.admits(`127.0.0.${host}`)));
    return hosts.filter((_host, at) => all[at]);
  };

  it("admits exactly whom the list has, from the moment that it says so", async () => {
    const put = sinkOf(server.spec);
    await put(listOf(2), place);
    expect(await admitted(2, 3, 4)).toEqual([2]);
    for (const hosts of [[2, 3], [3], [3, 4], [2, 3, 4], [4]]) {
      await put(listOf(...hosts), place);
      expect(await admitted(2, 3, 4)).toEqual(hosts);
    }
    await put(listOf(), place);
    expect(await admitted(2, 3, 4)).toEqual([]);
  });

  it("touches nothing that is so already, also as a new process", async () => {
    await sinkOf(server.spec)(listOf(2, 3), place);
    const before = statSync(server.file);
    await sinkOf(server.spec)(listOf(2, 3), place);
    const { ino, uid, mode } = statSync(server.file);
    expect({ ino, uid, mode }).toEqual({ ino: before.ino, uid: before.uid, mode: before.mode });
    expect(await admitted(2, 3, 4)).toEqual([2, 3]);
  });

  it("says that its server does not run, and catches up once it does", async () => {
    const put = sinkOf(server.spec);
    await put(listOf(2), place);
    await server.stop();
    await expect(put(listOf(3), place)).rejects.toThrow(/does not run|HAProxy|socket/);
    await server.start();
    await put(listOf(3), place);
    expect(await admitted(2, 3)).toEqual([3]);
  });

  it("writes nowhere but where it may", async () => {
    const before = readFileSync(server.file, "utf8");
    await expect(sinkOf(server.spec)(listOf(2), { ...place, folders: [] })).rejects.toThrow("--sink-folder");
    await expect(
      sinkOf(server.spec)(listOf(2), { ...place, folders: ["/var/empty", `${server.folder}/x`] }),
    ).rejects.toThrow("--sink-folder");
    expect(readFileSync(server.file, "utf8")).toBe(before);
  });
});

describe.each([
  ["nginx", nginxServer],
  ["PostgreSQL", postgresServer],
] as const)("the sink of %s", (_name, make) => {
  it("leaves a configuration alone that the server finds broken, and it goes on with what it had", async () => {
    const server = await make();
    const place = { netns: "self", folders: [server.folder] } as const;
    try {
      await server.start();
      const put = sinkOf(server.spec);
      await put(listOf(2), place);
      // Until somebody connects, a server that has no processor may not have read what it was told to.
      expect(await server.admits("127.0.0.2")).toBe(true);
      server.breakIt();
      const before = readFileSync(server.file, "utf8");
      await expect(put(listOf(3), place)).rejects.toThrow(/nonsense/);
      expect(readFileSync(server.file, "utf8")).toBe(before);
      expect(await server.admits("127.0.0.2")).toBe(true);
      expect(await server.admits("127.0.0.3")).toBe(false);
    } finally {
      await server.close();
    }
  });
});

describe("the sink of HAProxy", () => {
  it("says that the running process has no such ACL", async () => {
    const server = haproxyServer();
    try {
      await server.start();
      const place = { netns: "self", folders: [server.folder] } as const;
      const haproxy = { ...server.spec.haproxy!, path: `${server.folder}/other.lst` };
      await expect(sinkOf({ name: "h", haproxy })(listOf(3), place)).rejects.toThrow(/unknown acl/i);
    } finally {
      await server.close();
    }
  });
});

describe("the sink of an nftables set", () => {
  const name = "tl-sinks-test";
  const machine = linuxMachine();
  let kernel: Kernel;
  beforeEach(() => {
    machine.createNetns(name);
    kernel = machine.open({ name });
  });
  afterEach(async () => {
    kernel.close();
    await machine.removeNetns(name);
  });
  const nft = { family: "inet", table: "mine", ipv4Set: "four", ipv6Set: "six" } as const;
  const sink = sinkOf({ name: "n", nft });
  const place = () => ({ nft: kernel.nft, netns: { name }, folders: [] });
  const text = async (set: string) =>
    (await kernel.nft.text(`list set inet mine ${set}`))?.replaceAll(/\s+/g, " ");
  const ranges = (...list: string[]): SinkList => ({ name: "l", to: "host/db", ranges: list, sources: [] });

  it("holds exactly the list, in both families, whatever the set does with neighbours", async () => {
    for (const flags of ["flags interval;", "flags interval; auto-merge;"]) {
      await kernel.nft.run(
        `add table inet mine; delete table inet mine; add table inet mine; add set inet mine four { type ipv4_addr; ${flags} }; add set inet mine six { type ipv6_addr; ${flags} }`,
      );
      await sink(ranges("10.0.0.1/32", "10.0.0.4/30", "fd00::1/128", "fd00:1::/64"), place());
      expect(await text("four")).toContain("elements = { 10.0.0.1, 10.0.0.4/30 }");
      expect(await text("six")).toContain("elements = { fd00::1, fd00:1::/64 }");
      await sink(ranges("10.0.0.0/31", "10.0.0.4/31"), place());
      expect(await text("four")).toContain("elements = { 10.0.0.0/31, 10.0.0.4/31 }");
      expect(await text("six")).not.toContain("elements");
      await sink(ranges("10.0.0.0/31", "10.0.0.2/31", "10.0.0.4/31"), place());
      await sink(ranges("10.0.0.2/31"), place());
      expect(await text("four")).toContain("elements = { 10.0.0.2/31 }");
    }
  });

  it("says which set is missing, and how it is made", async () => {
    await expect(sink(ranges("10.0.0.1/32"), place())).rejects.toThrow("nft add set inet mine four");
    await kernel.nft.run("add table inet mine; add set inet mine four { type ipv4_addr; }");
    await expect(sink(ranges("10.0.0.1/32"), place())).rejects.toThrow("flags interval");
  });
});
