import { expect, it } from "vitest";
import { block, pod, pool } from "../snat/facts.suite.ts";
import { residentsOf, wordResidents } from "./residents.ts";

const pods4 = pool("gone", "10.1.0.0/16");
const blocks = [
  block("10.1.1.0/26"),
  { ...block("10.2.1.0/26"), spec: { ...block("10.2.1.0/26").spec, pool: "x" } },
];
const ended = { ...pod("ended", "10.1.1.9"), status: { phase: "Succeeded" as const, podIP: "10.1.1.9" } };
const host = { ...pod("host", "10.1.1.8"), spec: { containers: [], hostNetwork: true } };

it("counts pods by their addresses and blocks by their pool", () => {
  const pods = [pod("b", "10.1.1.2"), pod("a", ["fd00::1", "10.1.1.1"]), pod("c", "10.2.0.1"), ended, host];
  expect(residentsOf(pods4, blocks, pods)).toEqual({ pods: ["shop/a", "shop/b"], blocks: ["10.1.1.0/26"] });
});

it("says it so that one knows what goes on", () => {
  expect(wordResidents(pods4, { pods: [], blocks: [] })).toBeUndefined();
  expect(wordResidents(pods4, { pods: [], blocks: ["10.1.1.0/26"] })).toContain(
    "no pod has an address of pool gone",
  );
  const text = wordResidents(pods4, {
    pods: ["x/a", "x/b", "x/c", "x/d"],
    blocks: ["10.1.1.0/26", "10.1.2.0/26"],
  });
  expect(text).toMatch(
    /^4 pods still have addresses of pool gone \(2 blocks of nodes\): x\/a, x\/b, x\/c and others; /,
  );
});
