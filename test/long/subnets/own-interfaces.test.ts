// Trunk, exclusive and shared pods on one node, with different security groups, and a node whose pods have an interface each:
// what packets find is what explain says, whatever happens to the agent.

import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Pod } from "../../../src/api/kinds/core.ts";
import type { Explanation } from "../../../src/explain/explain.ts";
import { disagreements, everybodyOf, type Question } from "../../e2e/agreement.ts";
import { bothMatrices, verdicts } from "../../e2e/cells.ts";
import { Commands } from "../../e2e/trunkline.ts";
import { HandMadeEnis } from "../hand-made-enis.ts";

const lab = `
name: wires
networks:
  - {name: machines, cidr: 192.168.20.0/24}
  - {name: data, cidr: 10.9.0.0/24}
routers:
  - {name: vpc, addresses: [192.168.20.1, 10.9.0.1]}
subnets:
  - {id: vsw-1, zone: a, cidr: 10.2.1.0/24}
  - {id: vsw-2, zone: a, cidr: 10.2.2.0/24}
securityGroups:
  - {id: sg-base, ingress: [{peers: [0.0.0.0/0], ports: [80/tcp, 53/udp]}]}
  - {id: sg-db, egress: [{peers: [10.9.0.0/24]}, {peers: [sg-base], ports: [80/tcp]}], ingress: []}
  - {id: sg-web, ingress: [{peers: [sg-base, 10.9.0.0/24], ports: [80/tcp]}, {peers: [10.9.0.5/32]}]}
nodes:
  - {name: node1, address: 192.168.20.11, zone: a}
  - {name: node2, address: 192.168.20.12, zone: a}
  - {name: node3, address: 192.168.20.13, zone: a, labels: {k8s.aliyun.com/exclusive-mode-eni-type: eniOnly}}
hosts:
  - {name: db, address: 10.9.0.5, ports: [3306, 80]}
  - {name: other, address: 10.9.0.6, ports: [80], admit: [10.2.2.0/24]}
addressCooldown: 1s
`;
const pod = (name: string, node: string, own = false) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}, annotations: {${own ? `k8s.aliyun.com/pod-eni: "true"` : ""}}}
spec:
  nodeName: ${node}
  containers: [{name: c, image: x, ports: [{containerPort: 80}, {containerPort: 81}, {containerPort: 53, protocol: UDP}]}]
`;
const objects = `
apiVersion: v1
kind: ConfigMap
metadata: {name: eni-config, namespace: kube-system}
data:
  eni_conf: '{"vswitches": {"a": ["vsw-1"]}, "security_group": "sg-base", "max_pool_size": 1}'
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: no-one}
spec: {podSelector: {matchLabels: {app: member2}}, ingress: [{from: [{podSelector: {matchLabels: {app: shared}}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: not-out}
spec: {podSelector: {matchLabels: {app: faxcl}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.9.0.0/24}}]}]}
${pod("shared", "node1")}${pod("shared2", "node1")}${pod("excl", "node1", true)}${pod("member", "node1", true)}
${pod("member2", "node1", true)}${pod("far", "node2")}${pod("faxcl", "node2", true)}${pod("one", "node3")}${pod("two", "node3")}
`;

describe("trunk, exclusive and shared pods", () => {
  const trunkline = new Commands();
  let enis: HandMadeEnis;
  let trunk = "";
  beforeAll(async () => {
    await trunkline.up(trunkline.file("lab.yaml", lab));
    // What the controller does is done by hand here.
    await trunkline.ask("lab", "process", "stop", "controller");
    await trunkline.ask("apply", "-f", trunkline.file("objects.yaml", objects));
    enis = new HandMadeEnis(trunkline.lab, trunkline.entry().paths);
    trunk = await enis.trunk("node1", "vsw-1", "sg-base");
    await enis.give("excl", { vSwitchID: "vsw-2", groups: ["sg-db"] });
    await enis.give("member", { vSwitchID: "vsw-1", groups: ["sg-web"], trunk });
    await enis.give("member2", { vSwitchID: "vsw-2", groups: ["sg-db", "sg-web"], trunk });
    await enis.give("faxcl", { vSwitchID: "vsw-2", groups: ["sg-web"] });
    await ready();
    // Nodes tell a moment later which addresses stand on which interface; until then explain says that it cannot know.
    for (const name of ["far", "shared"])
      await vi.waitFor(
        async () => expect((await explain("host/db", `pod/${name}:80`)).reachable).not.toBeNull(),
        { timeout: 20_000 },
      );
  }, 120_000);
  afterAll(async () => {
    await enis?.close();
    await trunkline.end();
  });

  const ready = () => trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "40s");
  /** While an agent carries out what the controller has written about its pods, explain cannot tell, and says so. */
  const explain = async (...ends: string[]) => {
    for (let left = 20; ; left--) {
      const { stdout } = await trunkline.say("explain", ...ends, "-o", "json", "--lab", trunkline.lab);
      const answer = JSON.parse(stdout) as Explanation;
      if (answer.unknown === undefined || left === 0) return answer;
      await pause(250);
    }
  };
  const addressOf = async (name: string) => {
    const { stdout } = await trunkline.say("get", "pod", name, "-o", "json", "--lab", trunkline.lab);
    return (JSON.parse(stdout) as Pod).status?.podIP;
  };
  const node1 = (...words: string[]) => trunkline.ask("lab", "exec", "node1", "--", ...words);
  /** Whatever packets find, as explain says. */
  async function compare(): Promise<void> {
    let { probed, planned } = await bothMatrices(trunkline);
    // Hundreds probed at once, on a machine that others use, too: what came late is asked again.
    for (let left = 2; left > 0 && !isDeepStrictEqual(verdicts(probed), verdicts(planned)); left--)
      ({ probed, planned } = await bothMatrices(trunkline));
    expect(verdicts(probed)).toEqual(verdicts(planned));
    // Both kinds of answers come up.
    expect(new Set(probed.map(({ reachable }) => reachable)).size).toBe(2);
  }

  it("says which interface each pod has, of which vSwitch, and what decided it", async () => {
    const held = { decidedBy: "annotation", interface: "exclusive", vSwitchID: "vsw-2", vid: null };
    expect((await explain("pod/excl", "host/db:3306")).address).toEqual({
      ...held,
      object: "Pod/default/excl",
    });
    for (const [name, vSwitchID, vid] of [
      ["member", "vsw-1", 1],
      ["member2", "vsw-2", 2],
    ])
      expect((await explain(`pod/${name}`, "host/db:80")).address).toMatchObject({
        interface: "trunk",
        vSwitchID,
        vid,
      });
    for (const [name, kind] of [
      ["shared", "shared"],
      ["one", "exclusive"],
    ])
      expect((await explain(`pod/${name}`, "host/db:80")).address).toMatchObject({
        decidedBy: "NodeConfig",
        interface: kind,
        vSwitchID: "vsw-1",
        vid: null,
      });
  });

  it("finds what explain says, from everybody to everybody, and to whom nobody has", async () => {
    await compare();
    const everybody = await everybodyOf(trunkline);
    const questions = everybody.names.flatMap((from) =>
      [...everybody.names, ...everybody.nobodys].flatMap((to) =>
        ["80/tcp", "53/udp", "3306/tcp", undefined].map((port): Question => ({ from, to, port })),
      ),
    );
    expect(await disagreements(trunkline, everybody, questions)).toEqual([]);
  }, 240_000);

  it("names the group that refuses, and the one that lets it pass", async () => {
    const out = await explain("pod/excl", "pod/faxcl:80");
    expect([out.allowed, out.reasons[0]]).toEqual([
      false,
      expect.stringMatching(
        /^egress denied: security group sg-db of pod\/default\/excl's exclusive interface eni-\S+ does not let 80\/tcp out to 10\.2\.2\./,
      ),
    ]);
    const into = await explain("host/other", "pod/member:81");
    expect(into.reasons[0]).toMatch(
      /^ingress denied: security group sg-web of pod\/default\/member's trunk interface/,
    );
    const both = await explain("host/other", "pod/member2:80");
    expect([both.allowed, both.reasons[0]]).toEqual([
      false,
      expect.stringMatching(/isolated for ingress by policy default\/no-one/),
    ]);
    const passes = await explain("host/db", "pod/member:81");
    expect(passes.reasons.join("\n")).toMatch(/security group sg-web lets it in, spec\.ingress\[1\]/);
    // Never between shared pods of one node; a node always reaches its own pods.
    expect((await explain("pod/shared", "pod/shared2:81")).reachable).toBe(true);
    expect((await explain("pod/far", "pod/shared2:81")).allowed).toBe(false);
    expect((await explain("node/node1", "pod/excl:81")).reachable).toBe(true);
  });

  it("reaches Services from all three, which the node leads to a pod", async () => {
    const ip = await addressOf("far");
    await node1(
      "nft",
      `add table ip kp; add chain ip kp pre { type nat hook prerouting priority -100; }; add rule ip kp pre ip daddr 172.21.0.10 tcp dport 80 dnat to ${ip}:80`,
    );
    try {
      for (const name of ["shared", "excl", "member"]) {
        const probe = await trunkline.json<{ reachable: boolean; sourceSeen: string }>(
          "probe",
          `pod/${name}`,
          "172.21.0.10:80",
        );
        expect([name, probe]).toEqual([
          name,
          expect.objectContaining({ reachable: true, sourceSeen: await addressOf(name) }),
        ]);
        expect((await explain(`pod/${name}`, "172.21.0.10:80")).reachable).toBe(true);
      }
    } finally {
      await node1("nft", "delete table ip kp");
    }
  });

  it("goes on while the agent is dead, and as before once it is back", async () => {
    const before = await Promise.all(["excl", "member", "shared"].map(addressOf));
    const rules = await node1("ip", "rule");
    await trunkline.ask("lab", "process", "stop", "agent/node1");
    const probe = await trunkline.json<{ reachable: boolean }>("probe", "pod/excl", "host/db:3306");
    expect(probe.reachable).toBe(true);
    // Nobody heals a link that somebody puts down now: what its pod sends leaves by no other.
    const mac = (await enis.cloud.describeInterfaces({})).find(
      ({ addresses }) => addresses[0] === before[0],
    )?.mac;
    const link = (await node1("ip", "-br", "link")).split("\n").find((line) => line.includes(mac ?? "?"));
    await node1("ip", "link", "set", link?.split("@")[0] ?? "", "down");
    const question = ["pod/excl", "host/db:3306", "-o", "json", "--lab", trunkline.lab];
    const [lost, told] = await Promise.all(
      ["probe", "explain"].map((verb) => trunkline.say(verb, ...question)),
    );
    expect([lost?.code, (JSON.parse(lost?.stdout ?? "") as { outcome: string }).outcome]).toEqual([
      1,
      "unreachable",
    ]);
    expect(JSON.parse(told?.stdout ?? "")).toMatchObject({ reachable: false, expected: "unreachable" });
    await trunkline.ask("lab", "process", "start", "agent/node1");
    await trunkline.ask("lab", "process", "kill", "agent/node1");
    await compare();
    expect(await Promise.all(["excl", "member", "shared"].map(addressOf))).toEqual(before);
    expect(await node1("ip", "rule")).toBe(rules);
  }, 120_000);

  it("never gives a pod the interface of an earlier one of its name, and gives the link back with the pod", async () => {
    const before = await addressOf("excl");
    const mac = (await enis.cloud.describeInterfaces({})).find(
      ({ addresses }) => addresses[0] === before,
    )?.mac;
    await trunkline.ask("delete", "pod", "excl", "--wait");
    expect(await node1("ip", "-br", "link")).toMatch(new RegExp(`eth\\d\\S* +DOWN +${mac}`));
    expect(await node1("ip", "rule")).not.toContain(`from ${before} `);
    await trunkline.ask("apply", "-f", trunkline.file("again.yaml", pod("excl", "node1", true)));
    const waiting = await trunkline.say(
      "wait",
      "--for",
      "ready",
      "pod/excl",
      "--timeout",
      "6s",
      "--lab",
      trunkline.lab,
    );
    expect([waiting.code, waiting.stderr]).toEqual([
      1,
      expect.stringMatching(/an earlier pod's of that name/),
    ]);
    const { status } = await trunkline.json<Pod>("get", "pod", "excl");
    expect(status?.conditions?.find(({ type }) => type === "trunkline.dev/NetworkReady")).toMatchObject({
      status: "False",
      // It is stopped, and nobody gives the PodENI over.
      reason: "ControllerAway",
    });
    await enis.takeOver("excl");
    await ready();
    expect(await addressOf("excl")).toBe(before);
    expect((await trunkline.json<Explanation>("explain", "pod/excl", "host/db:3306")).reachable).toBe(true);
  }, 60_000);
});

describe("an agent that is killed while such pods come and go", () => {
  const trunkline = new Commands();
  let enis: HandMadeEnis;
  beforeAll(async () => {
    await trunkline.up(trunkline.file("lab.yaml", lab), "--separate");
    await trunkline.ask("lab", "process", "stop", "controller");
    const [config] = objects.split("---");
    await trunkline.ask("apply", "-f", trunkline.file("config.yaml", config ?? ""));
    enis = new HandMadeEnis(trunkline.lab, trunkline.entry().paths);
  }, 120_000);
  afterAll(async () => {
    await enis?.close();
    await trunkline.end();
  });
  /** Soon: before, within or after what it interrupts. */
  const kill = async () => {
    await pause(Math.random() * 700);
    await trunkline.ask("lab", "process", "kill", "agent/node1");
  };

  it("finds again what it gave, gives nobody another's, and leaves nothing behind", async () => {
    const trunk = await enis.trunk("node1", "vsw-1", "sg-base");
    const wishes = { whole: { vSwitchID: "vsw-2" }, member: { vSwitchID: "vsw-1", trunk } };
    const groups = ["sg-base"];
    for (let round = 1; round <= 3; round++) {
      const names = Object.keys(wishes);
      const pods = names.map((name) => pod(name, "node1", true)).join("");
      await trunkline.ask("apply", "-f", trunkline.file("pods.yaml", pods));
      const given = Object.entries(wishes).map(([name, wish]) => enis.give(name, { ...wish, groups }));
      await Promise.all([...given, kill()]);
      await trunkline.ask(
        "wait",
        "--for",
        "ready",
        ...names.map((name) => `pod/${name}`),
        "--timeout",
        "60s",
      );
      for (const name of names) {
        const probe = await trunkline.json<{ reachable: boolean; sourceSeen: string }>(
          "probe",
          `pod/${name}`,
          "host/db:3306",
        );
        const { status } = await trunkline.json<Pod>("get", "pod", name);
        expect([name, probe.reachable, probe.sourceSeen]).toEqual([name, true, status?.podIP]);
      }
      await Promise.all([trunkline.ask("delete", "pod", ...names, "--wait"), kill()]);
      await until(async () => !(await node1(trunkline, "ip", "rule")).includes("proto 84"));
      await until(async () => !/^tl/m.test(await node1(trunkline, "ip", "-br", "link")));
      for (const name of names) await enis.take(name);
    }
  }, 300_000);
});

const node1 = (trunkline: Commands, ...words: string[]) =>
  trunkline.ask("lab", "exec", "node1", "--", ...words);

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let left = 100; left > 0; left--) {
    if (await holds()) return;
    await pause(200);
  }
  throw new Error(`it did not come about: ${holds.toString()}`);
}
