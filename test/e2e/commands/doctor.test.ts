// What doctor says of a lab whose nodes other programs have been at, and what the agents do about it.

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Commands } from "../trunkline.ts";

interface Answer {
  readonly ok: boolean;
  readonly findings: readonly { readonly code: string; readonly object: string; readonly message: string }[];
}

describe("doctor", () => {
  const trunkline = new Commands();
  const onNode = (...words: string[]) => trunkline.ask("lab", "exec", "node1", "--", ...words);
  const doctor = async () => {
    const { stdout } = await trunkline.say("doctor", "--lab", trunkline.lab, "-o", "json");
    return (JSON.parse(stdout) as Answer).findings.filter(({ object }) => object.startsWith("Node/"));
  };
  const until = async (holds: () => Promise<boolean>) => {
    for (let tries = 0; tries < 100 && !(await holds()); tries++) await sleep(100);
  };
  const probe = () =>
    trunkline.say("probe", "rc/myweb", "rc/mysql:3306", "--lab", trunkline.lab, "-o", "json");

  beforeAll(async () => {
    await trunkline.up("examples/first-light");
    await trunkline.ask("apply", "-f", "examples/first-light/workloads.yaml");
    await trunkline.ask("wait", "--for", "ready", "--all", "-A", "--timeout", "60s");
  }, 120_000);
  afterAll(() => trunkline.end());

  it("has nothing to say where iptables drops what it forwards by policy: pods pass", async () => {
    const nodes = ["node1", "node2", "node3"];
    const policy = (word: string) =>
      Promise.all(
        nodes.map((node) => trunkline.ask("lab", "exec", node, "--", "iptables", "-P", "FORWARD", word)),
      );
    const chains = async () =>
      (
        await Promise.all(
          nodes.map((node) => trunkline.ask("lab", "exec", node, "--", "iptables-save", "-t", "filter")),
        )
      ).filter((text) => text.includes("-j TRUNKLINE-FORWARD")).length;
    await policy("DROP");
    await until(async () => (await chains()) === nodes.length);
    expect((await probe()).code).toBe(0);
    expect(await doctor()).toEqual([]);
    await policy("ACCEPT");
    await until(async () => (await chains()) === 0);
    expect(await chains()).toBe(0);
  });

  it("tells of a table that drops all pods, with commands that mend it", async () => {
    await onNode(
      "nft",
      "add table inet fw; add chain inet fw f { type filter hook forward priority 5; policy drop; }",
    );
    await until(async () => (await doctor()).length > 0);
    const [finding] = await doctor();
    expect(finding).toMatchObject({ code: "agent.not-ready", object: "Node/node1" });
    for (const command of finding?.message.split("let them pass: ")[1]?.split(" && ") ?? [])
      await onNode(...command.split(" "));
    await until(async () => (await doctor()).length === 0);
    expect(await doctor()).toEqual([]);
    expect((await probe()).code).toBe(0);
    await onNode("nft", "delete table inet fw");
  });

  it("tells of a rule that translates pods, with the command that mends it", async () => {
    await onNode(
      "iptables",
      "-t",
      "nat",
      "-A",
      "POSTROUTING",
      "-s",
      "10.1.0.0/16",
      "-o",
      "eth0",
      "-j",
      "MASQUERADE",
    );
    const [finding, ...more] = await doctor();
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ code: "snat.in-the-way", object: "Node/node1" });
    const command = / to mend it: (.*) \(on the node/.exec(finding?.message ?? "")?.[1] ?? "";
    await onNode(...command.split(" "));
    expect(await doctor()).toEqual([]);
  });

  it("tells of a rule that keeps nodes' pods apart, with the command that mends it", async () => {
    const ways = async () => {
      const { stdout } = await trunkline.say("doctor", "--lab", trunkline.lab, "-o", "json");
      return (JSON.parse(stdout) as Answer).findings.filter(({ code }) => code.startsWith("way."));
    };
    expect(await ways()).toEqual([]);
    await onNode("iptables", "-A", "FORWARD", "-s", "10.1.0.0/16", "-j", "DROP");
    const [finding] = await ways();
    expect(finding).toMatchObject({ code: "way.broken", object: expect.stringMatching(/^Pod\/default\//) });
    const command = / to mend it: (.*) \(on node1/.exec(finding?.message ?? "")?.[1] ?? "";
    await onNode(...command.split(" "));
    expect(await ways()).toEqual([]);
  });

  it("refuses a store that is not there, and does not make it", async () => {
    const file = `${trunkline.folder}/mistyped.db`;
    for (const words of [["doctor"], ["get", "pods"], ["policy", "matrix"]]) {
      const { code, stderr } = await trunkline.say(...words, "--store", `sqlite:${file}`);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`there is no store ${file}`)]);
    }
    expect(existsSync(file)).toBe(false);
  });
});
