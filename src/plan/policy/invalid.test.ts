// What is wrong with a policy may cost its own pods traffic, but opens nothing: neither its own pods nor another policy's.
import fc from "fast-check";
import { expect, it } from "vitest";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import type { ClusterFacts } from "../facts.ts";
import { clusters, flows } from "./clusters.suite.ts";
import { compilePolicies, compilePolicy, verdict } from "./index.ts";

/** No field of a policy may be this, and no list may hold it. */
const junk = -1;

type Json = Readonly<Record<string, unknown>>;

/** Returns the paths of everything inside a value, the value itself first. */
function pathsIn(value: unknown, at: readonly string[] = []): (readonly string[])[] {
  const inner = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return [at, ...inner.flatMap(([key, part]) => pathsIn(part, [...at, key]))];
}

function spoiled(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return junk;
  if (Array.isArray(value))
    return value.map((part: unknown, at) => (`${at}` === key ? spoiled(part, rest) : part));
  return { ...(value as Json), [key]: spoiled((value as Json)[key], rest) };
}

function withSpec(facts: ClusterFacts, key: string, spec: unknown): ClusterFacts {
  const policy = facts.policies.get(key);
  if (policy === undefined) return facts;
  const changed = { ...policy, spec: spec as NetworkPolicy["spec"] };
  return { ...facts, policies: new Map([...facts.policies, [key, changed]]) };
}

it("whatever part of a policy is spoiled, no flow is allowed that was not, and it is reported", () => {
  let fewer = 0;
  fc.assert(
    fc.property(
      clusters,
      fc.nat(),
      fc.nat(),
      fc.array(flows, { minLength: 40, maxLength: 40 }),
      (...given) => {
        const [facts, whichPolicy, whichPath, list] = given;
        const policies = [...facts.policies];
        const [key, policy] = policies[whichPolicy % Math.max(1, policies.length)] ?? [];
        fc.pre(key !== undefined && policy !== undefined);
        const paths = pathsIn(policy.spec);
        const path = paths[whichPath % paths.length] ?? [];
        const broken = withSpec(facts, key, spoiled(policy.spec, path));
        const stored = broken.policies.get(key);
        expect(stored && compilePolicy(stored).problems).not.toEqual([]);
        const [sound, odd] = [compilePolicies(facts), compilePolicies(broken)];
        for (const { fromIp, toIp, protocol, port } of list) {
          const flow = { from: { ip: fromIp }, to: { ip: toIp }, protocol, port };
          const [before, after] = [verdict(sound, flow), verdict(odd, flow)];
          for (const direction of ["ingress", "egress"] as const) {
            if (after[direction].allowed) expect(before[direction].allowed).toBe(true);
            else if (before[direction].allowed) fewer++;
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  // It is not that nothing was allowed anyway.
  expect(fewer).toBeGreaterThan(0);
});
