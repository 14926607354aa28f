import { expect, it } from "vitest";
import { cidrRange, parseCidr } from "../../base/ip.ts";
import { type Counted, countersFor, readCounted, readPeers, readRanges, readRows } from "./counters.ts";

const listed = (...elem: unknown[]) => [{ metainfo: {} }, { map: { elem } }];
const counter = (packets: number) => ({ packets, bytes: packets * 60 });
const row = (id: string, address: string, packets: number) => [
  { elem: { val: { concat: [id, address] }, counter: counter(packets) } },
  { jump: { target: "policy-in-ports-1" } },
];
const range = (val: unknown, packets: number) => [
  { elem: { val, counter: counter(packets) } },
  { jump: { target: "policy-in-ports-1" } },
];
const single = (id: string, address: string, port: number, packets: number) => ({
  elem: { val: { concat: [id, address, "tcp", port] }, counter: counter(packets) },
});
const to = (address: string, target: string) => [{ concat: ["tl1", address] }, { goto: { target } }];
const digest = "0123456789abcdef";

const maps: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  "policy-in-peer4": listed(
    ["10.1.0.1", "5033:47c1"],
    ["10.1.0.2", "5033:47c1"],
    ["10.1.0.3", "0:1"],
    ["10.1.0.4", "0:2"],
  ),
  "policy-in-row4": listed(
    row("5033:47c1", "10.1.0.9", 3),
    row("0:1", "10.1.0.9", 4),
    row("0:1", "10.1.0.8", 50),
  ),
  "policy-in-port4": [
    {
      set: {
        elem: [
          single("0:2", "10.1.0.9", 80, 5),
          single("0:2", "10.1.0.9", 81, 6),
          single("0:2", "10.1.0.8", 80, 60),
        ],
      },
    },
  ],
  "policy-to4": listed(
    to("10.1.0.9", `policy-in-${digest}`),
    to("10.1.0.8", `policy-in-${digest}`),
    to("10.1.0.7", "policy-in"),
  ),
  [`policy-in-block4-${digest}`]: listed(
    range({ prefix: { addr: "172.17.0.0", len: 24 } }, 1),
    range({ range: ["172.17.1.0", "172.17.1.9"] }, 10),
    range("172.17.2.0", 100),
  ),
  [`policy-in-block6-${digest}`]: listed(range({ prefix: { addr: "fd00::", len: 64 } }, 1000)),
};
const nft = { list: (command: string) => Promise.resolve(maps[command.split(" ").at(-1) ?? ""]) };
const nothing: Counted = { peers: [], classes: [], ranges: [], pods: 0 };
const ranges = (...texts: string[]) => texts.map((text) => cidrRange(parseCidr(text)));

it("adds up the classes of a rule's peers, each once, for the pod's own addresses", async () => {
  const counters = countersFor({ ingress: await readCounted(nft, "ingress", ["10.1.0.9"]), egress: nothing });
  const of = (...addresses: string[]) => counters("ingress", { addresses, ranges: [] });
  expect(of("10.1.0.1", "10.1.0.2")).toEqual(counter(3));
  expect(of("10.1.0.1", "10.1.0.3", "10.9.9.9")).toEqual(counter(7));
  // Of a class with single ports each port counts apart.
  expect(of("10.1.0.4")).toEqual(counter(11));
  expect(of("10.1.0.3", "10.1.0.4")).toEqual(counter(15));
  expect(counters("egress", { addresses: ["10.1.0.1"], ranges: [] })).toEqual(counter(0));
});

it("adds up the ranges of a rule, and says how many pods they are counted for", async () => {
  const counted = await readCounted(nft, "ingress", ["10.1.0.9"]);
  expect(counted.pods).toBe(2);
  const counters = countersFor({ ingress: counted, egress: nothing });
  const of = (...texts: string[]) =>
    counters("ingress", { addresses: ["10.1.0.3"], ranges: ranges(...texts) });
  expect(of("172.17.0.0/23", "fd00::/63")).toEqual({ ...counter(4 + 11 + 1000), pods: 2 });
  expect(of("172.17.2.0/32")).toEqual({ ...counter(4 + 100), pods: 2 });
  expect(of("172.17.0.0/25")).toEqual({ ...counter(4), pods: 2 });
});

it("finds no ranges for a pod whose chain has none, or that is not isolated", async () => {
  for (const address of ["10.1.0.7", "10.1.0.99"])
    expect((await readCounted(nft, "ingress", [address])).ranges).toEqual([]);
  expect(await readCounted({ list: () => Promise.resolve(undefined) }, "egress", ["10.1.0.9"])).toEqual(
    nothing,
  );
});

it("passes over what it does not know", () => {
  expect(readRows(listed(5, [{ elem: 1 }], row("0:1", "10.1.0.8", 1)), ["10.1.0.8"])).toHaveLength(1);
  expect(readRows([{ map: {} }, {}], ["10.1.0.8"])).toEqual([]);
  expect(readPeers(listed("x", [1, 2]))).toEqual([]);
  expect(readRanges(listed([{ elem: { val: {}, counter: counter(1) } }], [5]))).toEqual([]);
});
