import { expect, it } from "vitest";
import { block, cluster } from "./cluster.suite.ts";
import { announcedPrefixes, nodeRoutes } from "./routes.ts";

const facts = cluster(
  block("10.1.0.0/26", "n1", { loans: [{ address: "10.1.0.9", node: "n2" }] }),
  block("10.1.0.128/26", "n2", { state: "pending" }),
  block("10.1.0.192/26", "lost"),
);

it("says who announces each prefix, in the order of addresses", () => {
  expect(announcedPrefixes(facts).map(({ prefix, announcedBy, via }) => [prefix, announcedBy, via])).toEqual([
    ["10.1.0.0/26", "n1", "192.168.18.3"],
    ["10.1.0.9/32", "n2", "192.168.18.4"],
    ["10.1.0.64/26", "n2", "192.168.18.4"],
    ["10.1.0.128/26", "n2", null],
    ["10.1.0.192/26", "lost", null],
  ]);
});

it("tells one node's routes with the reason of each, and what cannot be routed", () => {
  const { rows, problems } = nodeRoutes(facts, "n1");
  expect(rows.map(({ prefix, type, via }) => [prefix, type, via])).toEqual([
    ["10.1.0.0/26", "blackhole", null],
    ["10.1.0.9/32", "unicast", "192.168.18.4"],
    ["10.1.0.64/26", "unicast", "192.168.18.4"],
  ]);
  expect(rows[1]?.why).toBe("10.1.0.9 of block 10-1-0-0-26 is lent to n2");
  expect(problems).toEqual([{ prefix: "10.1.0.192/26", node: "lost", why: "node-unknown" }]);
});
