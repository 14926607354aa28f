import { expect, it } from "vitest";
import type { SessionReport } from "../../plan/routing/bird/report.ts";
import { clusterNode } from "../../plan/snat/facts.suite.ts";
import { routesTold, Settled } from "./routes-told.ts";

const session = (peer: string, state: string, peerNode: string | null = null) =>
  ({ peer, peerNode, state, error: { code: "no-answer", message: "silent" } }) as unknown as SessionReport;
const n1 = clusterNode("n1", "192.168.18.11");

it("says whether BIRD runs, and which sessions do not stand", () => {
  expect(routesTold(n1, undefined, [])).toBeUndefined();
  expect(routesTold(n1, true, [])).toMatchObject({ status: "True", message: "0 of 0 sessions" });
  expect(routesTold(n1, true, [session("a", "Established")])).toMatchObject({
    status: "True",
    reason: "Told",
  });
  const both = [session("a", "Established"), session("b", "Active", "n2")];
  expect(routesTold(n1, true, both)).toMatchObject({
    status: "False",
    reason: "SessionsDown",
    message: "1 of 2 sessions; b (n2): no-answer: silent",
  });
  const away = routesTold(n1, false, both);
  expect(away).toMatchObject({ status: "False", reason: "BirdAway" });
  // Nobody asks for BIRD any more: what was said is taken back.
  const said = { ...n1, status: { ...n1.status, conditions: [{ ...away!, lastTransitionTime: "" }] } };
  expect(routesTold(said, undefined, [])).toMatchObject({ status: "True", reason: "NotNeeded" });
});

it("is written once it has settled, and once only", () => {
  const settled = new Settled();
  const up = routesTold(n1, true, [])!;
  const away = routesTold(n1, false, [])!;
  expect([up, away, up].map((one) => settled.take(one))).toEqual([false, false, false]);
  expect(settled.take(up)).toBe(true);
  settled.done(up);
  expect(settled.take(up)).toBe(false);
  expect([away, away].map((one) => settled.take(one))).toEqual([false, true]);
});
