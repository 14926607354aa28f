// examples/network-policy as its README tells it: what the plans say is what packets find, and every refusal has a name.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../../src/explain/explain.ts";
import type { EffectiveRules } from "../../../src/explain/policies/effective.ts";
import { answer, bothMatrices, keyOf, type PlannedCell, type ProbedCell, verdicts } from "../cells.ts";
import { Commands } from "../trunkline.ts";

const folder = "examples/network-policy";
const ports = ["--port", "8080/tcp,6379/tcp"];
const pods = ["pod/apps/client", "pod/data/apps", "pod/data/event", "pod/data/stranger", "pod/other/apps"];
const hosts = ["host/guest", "host/office", "host/redis"];
const event = "pod/data/event";

/** The pods above and no others. */
const only = ["data", "apps", "other"].flatMap((name) => ["-n", name]);

/** What the policy's text says, read by a person. */
function meant(from: string, to: string, port: string): boolean {
  if (from === to) return true;
  if (from === event) return to === "host/redis" && port === "6379/tcp";
  if (to !== event) return true;
  return port === "8080/tcp" && ["host/office", "pod/apps/client", "pod/data/apps"].includes(from);
}

const commands = new Commands();
beforeAll(async () => {
  await commands.up(folder);
  await commands.ask("wait", "--for", "ready", "--all", "-A");
}, 120_000);
afterAll(() => commands.end());

// Each case brings its policies and takes them away: in whatever order they run, none sees another's.
describe("pods that no policy selects", () => {
  it("reach everybody, and everybody reaches them", async () => {
    const { probed, planned } = await bothMatrices(commands, ...ports, ...only);
    expect(verdicts(probed)).toEqual(verdicts(planned));
    expect(probed.filter((cell) => cell.reachable)).toHaveLength(128);
  });
});

describe("an isolated pod", () => {
  const file = `${folder}/network-policy.yaml`;
  beforeAll(async () => {
    await commands.ask("apply", "-f", file);
  });
  afterAll(async () => {
    await commands.ask("delete", "-f", file);
  });

  it("is reached and reaches as the policy says, by plan and by packet", async () => {
    const { probed, planned } = await bothMatrices(commands, ...ports, ...only);
    const expected = [...pods, ...hosts].flatMap((from) =>
      [...pods, ...hosts].flatMap((to) =>
        ["6379/tcp", "8080/tcp"].map((port) => ({ from, to, port, allowed: meant(from, to, port) })),
      ),
    );
    expect(verdicts(planned)).toEqual(verdicts(expected));
    expect(verdicts(probed)).toEqual(verdicts(expected));
    expect(new Set(probed.filter((cell) => !cell.reachable).map((cell) => cell.outcome))).toEqual(
      new Set(["filtered"]),
    );
  });

  it("names for every refusal the policy and the direction, and the default behind it", async () => {
    const { cells } = await answer<{ cells: PlannedCell[] }>(commands, "policy", "matrix", ...ports, ...only);
    const refused = cells.filter((cell) => !cell.allowed);
    expect(refused).toHaveLength(24);
    for (const cell of refused) {
      const by = cell.from === event ? "egress" : "ingress";
      expect(cell.by, keyOf(cell)).toMatchObject({ by, policy: "data/test-network-policy" });
      expect(cell.by?.reason, keyOf(cell)).toMatch(
        /isolated for \w+ by policy data\/test-network-policy.*default/,
      );
    }
  });

  it.each([
    [
      "host/guest",
      `${event}:8080`,
      1,
      "ingress",
      "is isolated for ingress by policy data/test-network-policy",
    ],
    ["host/office", `${event}:8080`, 0, "ingress", "allows it, spec.ingress[0]"],
    ["pod/apps/client", `${event}:8080`, 0, "ingress", "allows it, spec.ingress[0]"],
    [event, "host/redis:6379", 0, "egress", "allows it, spec.egress[0]"],
    [event, "host/redis:8080", 1, "egress", "no egress rule of it allows this (default: denied)"],
    ["pod/data/stranger", "pod/other/apps:8080", 0, "ingress", "no policy selects pod/other/apps"],
  ] as const)("explains %s to %s", async (from, to, code, direction, text) => {
    const words = [from, to, "--lab", commands.lab, "-o", "json"];
    const said = await commands.say("explain", ...words);
    expect(said.code).toBe(code);
    expect((JSON.parse(said.stdout) as Explanation)[direction].reason).toContain(text);
    expect((await commands.say("probe", ...words, "--timeout", "400")).code).toBe(code);
  });

  it.each([
    ["host/guest", `${event}:8080`, "drop"],
    ["pod/apps/client", `${event}:8080`, "accept"],
    [event, "host/redis:6379", "accept"],
    [event, "host/redis:8080", "drop"],
    ["pod/data/stranger", `${event}:8080`, "drop"],
  ])("traces %s to %s through the nodes' own rules: %s", async (from, to, verdict) => {
    const words = [from, to, "--lab", commands.lab, "--trace"];
    const { stdout } = await commands.say("explain", ...words, "-o", "json");
    const { trace } = JSON.parse(stdout) as {
      trace: { rules: string; verdict: string; steps: { does: string }[] }[];
    };
    expect(trace.every(({ rules }) => rules === "kernel")).toBe(true);
    expect(trace.at(-1)?.verdict).toBe(verdict);
    expect((await commands.say("explain", ...words)).stdout).toContain(`⇒ ${verdict}`);
  });

  it("counts the first packets of every rule's peers, addresses and pods alike", async () => {
    const counts = async () => {
      const { ingress, egress } = await answer<EffectiveRules>(
        commands,
        "policy",
        "show",
        "event",
        "-n",
        "data",
      );
      return [...ingress.rules, ...egress.rules].map(({ counter }) => counter?.packets ?? -1);
    };
    const before = await counts();
    const probe = (from: string, to: string) =>
      commands.say("probe", from, to, "--timeout", "400", "--lab", commands.lab);
    await probe("host/office", `${event}:8080`);
    await probe("host/guest", `${event}:8080`);
    const inbound = await counts();
    await probe(event, "host/redis:6379");
    expect([before, inbound, await counts()].map(([into = 0, out = 0]) => [into, out])).toEqual([
      [before[0], before[1]],
      [Number(before[0]) + 1, before[1]],
      [Number(before[0]) + 1, Number(before[1]) + 1],
    ]);
  });

  it("takes traffic of its own node, and none of the other one", async () => {
    const { spec } = await commands.json<{ spec: { nodeName: string } }>("get", "pod", "event", "-n", "data");
    const other = spec.nodeName === "node1" ? "node2" : "node1";
    const ask = (node: string) =>
      commands.say("probe", `node/${node}`, `${event}:6379`, "--timeout", "400", "--lab", commands.lab);
    expect((await ask(spec.nodeName)).code).toBe(0);
    expect((await ask(other)).code).toBe(1);
  });
});

describe("allow-nginxclient", () => {
  const fileOf = (how: string) => `${folder}/allow-nginxclient-as-${how}.yaml`;
  const arrives = async (from: string) =>
    (await answer<ProbedCell>(commands, "probe", from, "pod/nginx:80", "--timeout", "400")).reachable;
  const explained = (from: string) => answer<Explanation>(commands, "explain", from, "pod/nginx:80");
  afterAll(async () => {
    await commands.ask("delete", "-f", fileOf("meant"));
  });

  it("lets client2 in as it is written, and keeps it out as it is meant", async () => {
    await commands.ask("apply", "-f", fileOf("written"));
    await commands.ask("wait", "--for", "ready", "--all");
    expect([await arrives("pod/client1"), await arrives("pod/client2")]).toEqual([true, true]);
    const why = await explained("pod/client2");
    expect(why).toMatchObject({ allowed: true, ingress: { policy: "default/allow-nginxclient" } });
    expect(why.ingress.reason).toContain("spec.ingress[1]");

    await commands.ask("apply", "-f", fileOf("meant"));
    expect([await arrives("pod/client1"), await arrives("pod/client2")]).toEqual([true, false]);
    const whyNot = await explained("pod/client2");
    expect(whyNot).toMatchObject({ allowed: false, ingress: { policy: "default/allow-nginxclient" } });
    expect(whyNot.ingress.reason).toContain("isolated for ingress by policy default/allow-nginxclient");
    expect((await explained("pod/client1")).ingress.reason).toContain("spec.ingress[0]");
  });

  it("is found by lint, with its line and a text that would be right", async () => {
    const lines = readFileSync(fileOf("written"), "utf8").split("\n");
    const line = lines.findIndex((text) => text.includes("- ports:")) + 1;
    const found = await commands.say("lint", "-f", fileOf("written"), "-o", "json");
    expect(found.code).toBe(1);
    const { findings } = JSON.parse(found.stdout) as {
      findings: { rule: string; position: { line: number }; corrected: string }[];
    };
    expect(findings).toMatchObject([{ rule: "TL014", position: { line } }]);
    expect(findings[0]?.corrected).toMatch(/- from:\n(\s+.*\n)+\s{2}ports:\n\s+- protocol: TCP\n\s+port: 80/);
    expect((await commands.say("lint", "-f", fileOf("meant"))).code).toBe(0);
  });
});
