// Byte-exact requests as the kernel reads them, and that reading is the inverse of writing.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIp } from "../../base/ip.ts";
import type { ConntrackFlow, LinkAddress, Neighbour, Route, Rule } from "../kernel.ts";
import { sameRoute } from "../route.ts";
import { readAddress, writeAddress } from "./address.ts";
import { addressBytes, addressText, macBytes, macText, networkText, prefixOf } from "./bytes.ts";
import { readConntrack, writeConntrackRemoval } from "./conntrack.ts";
import { readLink, writeLinkChange, writeNewLink } from "./link.ts";
import { eachMessage, type Message, MessageWriter } from "./message.ts";
import { readNeighbour, writeNeighbour } from "./neighbour.ts";
import { readNftNotice } from "./nftables.ts";
import { readOtherQueue } from "./qdisc.ts";
import { readRoute, writeRoute, writeRouteRemoval } from "./route.ts";
import { readRule, writeRule } from "./rule.ts";

function written(build: (writer: MessageWriter) => void, type = 0): Message {
  const writer = new MessageWriter().begin(type, 0, 0);
  build(writer);
  const bytes = Buffer.from(writer.finish());
  let found: Message | undefined;
  eachMessage(bytes, bytes.length, (message) => {
    found = message;
    return false;
  });
  return found!;
}

function hex(build: (writer: MessageWriter) => void): string {
  const { bytes, from, to } = written(build);
  return bytes.toString("hex", from, to);
}

const ip = (family: 4 | 6): fc.Arbitrary<string> =>
  fc
    .bigInt({ min: 1n, max: family === 4 ? 0xffffffffn : (1n << 128n) - 1n })
    .map((value) => formatIp({ family, value }));
const prefix = (family: 4 | 6): fc.Arbitrary<string> =>
  fc
    .tuple(ip(family), fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
    .map(([a, n]) => networkText(`${a}/${n}`));
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(macText);
const u32 = fc.integer({ min: 1, max: 0xffffffff });

/** Leaves out properties that are undefined, as exactOptionalPropertyTypes wants it. */
function compact<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

describe("queues of others", () => {
  const queue = (kind: string, limit?: number, handle = 0x80010000) =>
    readOtherQueue(
      written((writer) => {
        writer.u8(0).u8(0).u16(0).u32(7).u32(handle).u32(0xffffffff).u32(0).attributeText(1, kind);
        if (limit !== undefined) writer.attributeU32(2, limit);
      }),
    );

  it.each([
    ["pfifo", 1000],
    ["pfifo", 16],
    ["bfifo", 1 << 20],
    ["noqueue", undefined],
    ["fq_codel", undefined],
  ])("%s %s drops nothing while the link keeps up", (kind, limit) => {
    expect(queue(kind, limit)).toBeUndefined();
  });

  it.each([
    ["pfifo", 0, "pfifo limit 0"],
    ["bfifo", 100, "bfifo limit 100"],
    ["htb", undefined, "htb"],
    ["clsact", undefined, "clsact"],
  ])("%s %s may drop what it is given", (kind, limit, named) => {
    expect(queue(kind, limit)).toEqual({ linkIndex: 7, kind: named });
    expect(queue(kind, limit, 0x544c0000)).toBeUndefined();
  });
});

describe("links", () => {
  it("asks for a veth with its peer in another namespace", () => {
    const request = hex((writer) =>
      writeNewLink(
        writer,
        { kind: "veth", name: "v0", up: true, mtu: 1400, peer: { name: "eth0", mac: "02:00:00:00:00:01" } },
        undefined,
        9,
      ),
    );
    expect(request).toBe(
      [
        "00000000" + "00000000" + "01000000" + "01000000", // ifinfomsg: index 0, up
        "07000300" + "76300000", // IFLA_IFNAME v0
        "08000400" + "78050000", // IFLA_MTU 1400
        "48001280", // IFLA_LINKINFO
        "09000100" + "7665746800000000", // INFO_KIND veth
        "38000280", // INFO_DATA
        "34000180", // VETH_INFO_PEER
        "".padEnd(32, "0"), // ifinfomsg
        "09000300" + "6574683000000000", // IFLA_IFNAME eth0
        "0a000100" + "0200000000010000", // IFLA_ADDRESS
        "08001c00" + "09000000", // IFLA_NET_NS_FD
      ].join(""),
    );
  });

  it("asks for a vxlan with its port in network order", () => {
    const vxlan = { id: 7, port: 4789, local: "10.0.0.1", learning: false };
    const request = hex((writer) =>
      writeNewLink(writer, { kind: "vxlan", name: "x", vxlan }, undefined, undefined),
    );
    const data = [
      "08000100" + "07000000",
      "06000f00" + "12b50000",
      "05000700" + "00000000",
      "08000400" + "0a000001",
    ];
    expect(request.endsWith(data.join(""))).toBe(true);
  });

  it("turns link-local addresses off by a nest of nests", () => {
    const request = hex((writer) =>
      writeLinkChange(writer, 5, { addressGeneration: "none", up: false }, undefined),
    );
    const head = "00000000" + "05000000" + "00000000" + "01000000";
    expect(request).toBe(`${head}${"10001a80"}${"0c000a80"}${"0500080001000000"}`);
  });

  it("reads back what a change says", () => {
    const change = {
      name: "eth0",
      mac: "02:00:00:00:00:01",
      mtu: 1400,
      alias: "pod a/b",
      master: 3,
      up: true,
    } as const;
    const link = readLink(written((writer) => writeLinkChange(writer, 5, change, undefined)));
    expect(link).toMatchObject({ index: 5, ...change, kind: undefined, running: false, lower: undefined });
  });
});

describe("addresses", () => {
  it("are written with both local and peer address", () => {
    const address: LinkAddress = { linkIndex: 2, address: "10.0.0.1/24", scope: "global", noDad: true };
    const head = "02180200" + "02000000";
    expect(hex((writer) => writeAddress(writer, address))).toBe(`${head}080002000a000001080001000a000001`);
  });

  it("are read back as they were written", () => {
    const address = fc.constantFrom(4, 6).chain((family) =>
      fc.record({
        linkIndex: u32,
        address: fc.tuple(ip(family), fc.integer({ min: 0, max: 32 })).map(([a, n]) => `${a}/${n}`),
        scope: fc.constantFrom("global" as const, "link" as const, "host" as const),
        broadcast: fc.option(ip(family), { nil: undefined }),
        noDad: fc.constantFrom(true as const, undefined),
      }),
    );
    fc.assert(
      fc.property(address, (facts) => {
        const wanted = compact(facts) as LinkAddress;
        expect(readAddress(written((writer) => writeAddress(writer, wanted)))).toEqual(wanted);
      }),
    );
  });
});

describe("routes", () => {
  const base = { family: 4, destination: "10.1.0.0/16", type: "unicast", protocol: 84, table: 254 } as const;

  it("are written with table, link and gateway", () => {
    expect(hex((writer) => writeRoute(writer, { ...base, via: "10.0.0.2", linkIndex: 3, mtu: 1400 }))).toBe(
      [
        "02100000" + "fe540001" + "00000000", // rtmsg: /16, table, protocol, universe, unicast
        "08000100" + "0a010000", // RTA_DST
        "08000f00" + "fe000000", // RTA_TABLE
        "08000400" + "03000000", // RTA_OIF
        "08000500" + "0a000002", // RTA_GATEWAY
        "0c000880" + "08000200" + "78050000", // RTA_METRICS: MTU
      ].join(""),
    );
  });

  it("have a table above 255 in the attribute only, and any scope in a removal", () => {
    const head = hex((writer) => writeRouteRemoval(writer, { ...base, table: 1000 })).slice(0, 24);
    expect(head).toBe("02100000" + "fc54ff01" + "00000000");
  });

  it("go by way of a neighbour of the other family where that is asked for", () => {
    const via = hex((writer) => writeRoute(writer, { ...base, via: "fe80::1", linkIndex: 3 }));
    expect(via).toContain(`16001200${"0a00"}fe800000000000000000000000000001`);
    expect(readRoute(written((writer) => writeRoute(writer, { ...base, via: "fe80::1" })))?.via).toBe(
      "fe80::1",
    );
  });

  it("are read back as they were written", () => {
    const route = fc.constantFrom(4 as const, 6 as const).chain((family) =>
      fc.record({
        family: fc.constant(family),
        destination: prefix(family),
        type: fc.constantFrom(
          "unicast" as const,
          "local" as const,
          "blackhole" as const,
          "unreachable" as const,
        ),
        via: fc.option(ip(family), { nil: undefined }),
        linkIndex: fc.option(u32, { nil: undefined }),
        source: fc.option(ip(family), { nil: undefined }),
        scope: fc.constantFrom("universe" as const, "link" as const, "host" as const, undefined),
        protocol: fc.integer({ min: 0, max: 255 }),
        table: u32,
        metric: fc.option(u32, { nil: undefined }),
        mtu: fc.option(u32, { nil: undefined }),
        onlink: fc.constantFrom(true as const, undefined),
      }),
    );
    fc.assert(
      fc.property(route, (facts) => {
        const nowhere = facts.type === "blackhole" || facts.type === "unreachable";
        const hop = nowhere ? { via: undefined, linkIndex: undefined, onlink: undefined } : {};
        const wanted = compact({ ...facts, ...hop }) as Route;
        const found = readRoute(written((writer) => writeRoute(writer, wanted)));
        expect(found && sameRoute(found, wanted)).toBe(true);
      }),
    );
  });

  it("tell all of their next hops that live, and what else they say", () => {
    const hop = (writer: MessageWriter, via: string, flags: number, encap = false) => {
      const address = Buffer.from(via.split(".").map(Number));
      writer
        .u16(encap ? 24 : 16)
        .u8(flags)
        .u8(0)
        .u32(7);
      writer.attribute(5, address);
      if (encap) writer.attributeU16(21, 2);
    };
    const several = (build: (writer: MessageWriter) => void) =>
      readRoute(
        written((writer) => {
          writeRoute(writer, base);
          writer.nest(9, () => build(writer));
        }),
      );
    const two = several((writer) => {
      hop(writer, "10.0.0.2", 0);
      hop(writer, "10.0.0.3", 1);
      hop(writer, "10.0.0.4", 0);
    });
    expect(two?.nextHops).toEqual([
      { via: "10.0.0.2", linkIndex: 7 },
      { via: "10.0.0.4", linkIndex: 7 },
    ]);
    expect(two?.beyond).toBeUndefined();
    expect(several((writer) => hop(writer, "10.0.0.2", 0, true))?.beyond).toEqual(["encap"]);
    const said = (more: (writer: MessageWriter) => void, tos = 0) => {
      const message = written((writer) => {
        writeRoute(writer, base);
        more(writer);
      });
      message.bytes[message.from + 3] = tos;
      return readRoute(message)?.beyond;
    };
    expect(said(() => {})).toBeUndefined();
    expect(said(() => {}, 0x10)).toEqual(["tos 0x10"]);
    expect(said((writer) => writer.attributeU16(21, 1).attributeU32(22, 0))).toEqual(["encap"]);
    // Realms and next hops by number are as if they were written out.
    expect(said((writer) => writer.attributeU32(11, 5).attributeU32(30, 5))).toBeUndefined();
    const metric = (type: number, value: number) =>
      said((writer) => writer.nest(8, () => writer.attributeU32(type, value)));
    expect([metric(2, 1400), metric(2, 300)]).toEqual([undefined, ["mtu 300"]]);
    expect([metric(10, 64), metric(10, 1)]).toEqual([undefined, ["hoplimit 1"]]);
  });

  it("of other families and kinds are passed over", () => {
    const message = written((writer) => writeRoute(writer, base));
    message.bytes[message.from] = 7;
    expect(readRoute(message)).toBeUndefined();
    message.bytes[message.from] = 2;
    message.bytes[message.from + 7] = 10;
    expect(readRoute(message)).toBeUndefined();
  });
});

describe("rules", () => {
  it("are read back as they were written", () => {
    const rule = fc.constantFrom(4 as const, 6 as const).chain((family) =>
      fc.record({
        family: fc.constant(family),
        priority: fc.integer({ min: 0, max: 0xffffffff }),
        from: fc.option(prefix(family), { nil: undefined }),
        to: fc.option(prefix(family), { nil: undefined }),
        incoming: fc.constantFrom("eth0", "tl0123456789abc", undefined),
        mark: fc.option(fc.record({ value: u32, mask: u32 }), { nil: undefined }),
        suppressPrefixLength: fc.option(fc.integer({ min: 0, max: 128 }), { nil: undefined }),
        table: u32,
        protocol: fc.integer({ min: 0, max: 255 }),
      }),
    );
    fc.assert(
      fc.property(rule, (facts) => {
        const wanted = compact(facts) as Rule;
        expect(readRule(written((writer) => writeRule(writer, wanted)))).toEqual(wanted);
      }),
    );
  });
});

describe("neighbours", () => {
  it("are read back as they were written", () => {
    const neighbour = fc.constantFrom(4 as const, 6 as const).chain((family) =>
      fc.record({
        linkIndex: fc.integer({ min: 1, max: 0x7fffffff }),
        address: ip(family),
        mac: fc.option(mac, { nil: undefined }),
        state: fc.constantFrom(
          "permanent" as const,
          "reachable" as const,
          "stale" as const,
          "noarp" as const,
        ),
        proxy: fc.constantFrom(true as const, undefined),
        fdb: fc.constantFrom(true as const, undefined),
      }),
    );
    fc.assert(
      fc.property(neighbour, (facts) => {
        const wanted = compact(facts) as Neighbour;
        expect(readNeighbour(written((writer) => writeNeighbour(writer, wanted)))).toEqual(wanted);
      }),
    );
  });
});

describe("connections", () => {
  const flow: ConntrackFlow = {
    family: 4,
    protocol: 6,
    original: { source: "10.0.0.1", destination: "10.0.0.2", sourcePort: 1234, destinationPort: 80 },
    reply: { source: "", destination: "", sourcePort: 0, destinationPort: 0 },
    mark: 0,
    zone: 5,
    id: 0x01020304,
  };

  it("are forgotten by original tuple, zone and id", () => {
    expect(hex((writer) => writeConntrackRemoval(writer, flow))).toBe(
      [
        "02000000", // nfgenmsg
        "34000180", // CTA_TUPLE_ORIG
        "14000180" + "08000100" + "0a000001" + "08000200" + "0a000002",
        "1c000280" + "0500010006000000" + "0600020004d20000" + "0600030000500000",
        "0600120000050000", // CTA_ZONE
        "08000c0001020304", // CTA_ID
      ].join(""),
    );
  });

  it("are read with ports, or with ICMP's id, type and code in their place", () => {
    const tuple = (protocol: number): ConntrackFlow => ({ ...flow, protocol });
    const tcp = readConntrack(written((writer) => writeConntrackRemoval(writer, tuple(6))));
    expect(tcp).toMatchObject({ protocol: 6, original: flow.original, zone: 5, id: flow.id });
    const ping = {
      ...flow,
      protocol: 1,
      original: { ...flow.original, sourcePort: 77, destinationPort: 0x0800 },
    };
    const icmp = readConntrack(written((writer) => writeConntrackRemoval(writer, ping)));
    expect(icmp).toMatchObject({ protocol: 1, original: ping.original });
  });
});

describe("nftables' notices", () => {
  it("name their table, and the new generation ends them", () => {
    const notice = (type: number): unknown =>
      readNftNotice(written((writer) => writer.u32(0).attributeText(1, "trunkline"), type));
    expect(notice(0xa0c)).toEqual({ kind: "object", table: "trunkline" });
    expect(notice(0xa0f)).toEqual({ kind: "end" });
    expect(notice(0x10f)).toBeUndefined();
  });
});

describe("bytes", () => {
  it("turn addresses round", () => {
    fc.assert(
      fc.property(fc.oneof(ip(4), ip(6)), (text) => {
        expect(addressText(addressBytes(text))).toBe(text);
      }),
    );
  });

  it("refuse what is no address, no prefix length and no MAC", () => {
    expect(() => prefixOf("10.0.0.1/33")).toThrow("prefix length");
    expect(() => prefixOf("10.0.0.1/")).toThrow("prefix length");
    expect(() => prefixOf("10.0.1/8")).toThrow("not an IP address");
    expect(() => macBytes("02:00:00:00:00")).toThrow("MAC");
    expect(networkText("10.1.2.3/8")).toBe("10.0.0.0/8");
  });
});
