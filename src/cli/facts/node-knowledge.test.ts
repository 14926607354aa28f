// A lab that does not answer: what a look at its machines would have told is not known, and no answer says otherwise.
import { expect, it } from "vitest";
import { cluster, host, pool } from "../../explain/cluster.suite.ts";
import { findEnd } from "../../explain/ends.ts";
import { explain, verdictOf } from "../../explain/explain.ts";
import { ground } from "../../explain/ground/ground.suite.ts";
import { judgesOf, type Knowledge } from "../../explain/judges/plans.ts";
import { parseEnd, parseTarget } from "../../explain/target.ts";
import { unseenGround, unseenRules } from "./node-knowledge.ts";

const facts = cluster(
  pool("pods", "10.1.0.0/16", false),
  host("gateway", "192.168.18.1", { role: "router" }),
);
const why = "lab 'x' does not answer";
const members = ground.machines.map(({ name }) => {
  const [kind, rest = ""] = name.split("/");
  return { name: rest, role: kind === "node" ? ("node" as const) : ("host" as const) };
});

function asked(to: string, known: Knowledge, on = ground) {
  const target = parseTarget(to);
  const [from, end] = [findEnd(facts, parseEnd("pod/web"), "default"), findEnd(facts, target.end, "default")];
  const answer = explain(facts, judgesOf(facts, known, on), from, end, target.port);
  return { verdict: verdictOf(answer), reasons: answer.reasons.join("; ") };
}

it.each(["pod/api:80", "pod/api:81", "host/out:80"])("cannot tell of %s where nobody could look", (to) => {
  const nothing = { rules: new Map(members.map(({ name, role }) => [`${role}/${name}`, NONE])) };
  expect(asked(to, nothing).verdict).toBe(to === "pod/api:81" ? "no" : "yes");
  const rules = asked(to, unseenRules(members, why));
  expect(rules).toEqual({ verdict: "unknown", reasons: expect.stringContaining(why) });
  expect(rules.reasons).toContain("other programs' rules of n1");
  const ways = asked(to, nothing, unseenGround(ground, why));
  expect(ways).toEqual({ verdict: "unknown", reasons: expect.stringContaining(why) });
});

const NONE = { chains: new Map(), unreadable: [] };
