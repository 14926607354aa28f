import { expect, it } from "vitest";
import { countersFor, readPeers, readRows } from "./counters.ts";

const peers = [
  { metainfo: {} },
  {
    map: {
      elem: [
        ["10.1.0.1", "5033:47c1"],
        ["10.1.0.2", "5033:47c1"],
        ["10.1.0.3", "0:1"],
      ],
    },
  },
];
const row = (id: string, address: string, packets: number) => [
  { elem: { val: { concat: [id, address] }, counter: { packets, bytes: packets * 60 } } },
  { jump: { target: "policy-ports-1" } },
];
const rows = [
  { map: { elem: [row("5033:47c1", "10.1.0.9", 3), row("0:1", "10.1.0.9", 4), row("0:1", "10.1.0.8", 50)] } },
];
const counted = { peers: readPeers(peers), rows: readRows(rows) };
const nothing = { peers: new Map(), rows: new Map() };

it("adds up the classes of a rule's peers, each once, for the pod's own addresses", () => {
  const counters = countersFor(["10.1.0.9"], { ingress: counted, egress: nothing });
  expect(counters("ingress", ["10.1.0.1", "10.1.0.2"])).toEqual({ packets: 3, bytes: 180 });
  expect(counters("ingress", ["10.1.0.1", "10.1.0.3", "10.9.9.9"])).toEqual({ packets: 7, bytes: 420 });
  expect(counters("egress", ["10.1.0.1"])).toEqual({ packets: 0, bytes: 0 });
});

it("passes over what it does not know", () => {
  expect(readRows([{ map: { elem: [5, [{ elem: 1 }], row("0:1", "10.1.0.8", 1)] } }]).size).toBe(1);
  expect(readRows([{ map: {} }, {}]).size).toBe(0);
  expect(readPeers([{ map: { elem: ["x", [1, 2]] } }]).size).toBe(0);
});
