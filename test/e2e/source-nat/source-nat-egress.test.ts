// An address that leaves by whichever node holds it, when the holder dies with its agent, and when only its agent does no
// more: agents are processes of their own here, as in production. The partner admits that address alone.
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { run } from "../../../src/kernel/exec/index.ts";
import { Commands } from "../trunkline.ts";

const held = "192.168.18.250";
const lab = `
name: egress
networks:
  - {name: nodes, cidr: 192.168.18.0/24}
  - {name: internet, cidr: 203.0.113.0/24}
routers:
  - {name: gateway, addresses: [192.168.18.1, 203.0.113.1]}
nodes:
  - {name: node1, address: 192.168.18.11, labels: {egress: "yes"}}
  - {name: node2, address: 192.168.18.12, labels: {egress: "yes"}}
  - {name: node3, address: 192.168.18.13}
hosts:
  - {name: partner, address: 203.0.113.10, ports: [80], admit: [${held}/32]}
`;
const pod = (name: string, node: string, app = "client") => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${app}}}
spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]}
`;
const objects = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 172.16.0.0/16}
---
apiVersion: trunkline.dev/v1alpha1
kind: SourceNAT
metadata: {name: fixed}
spec:
  rules:
  - podSelector: {matchLabels: {app: client}}
    action: {type: Address, addresses: [${held}], egressNodes: {matchLabels: {egress: "yes"}}}
${[pod("c1", "node1"), pod("c2", "node2"), pod("c3", "node3"), pod("other", "node3", "other")].join("")}`;

interface Probe {
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
}

describe("an address held by a node whose agent is a process of its own", () => {
  let trunkline: Commands;
  beforeEach(async () => {
    trunkline = new Commands();
    const { file } = trunkline;
    await trunkline.up(file("lab.yaml", lab), "--separate");
    await trunkline.ask("apply", "-f", file("objects.yaml", objects));
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
    for (const name of ["c1", "c2", "c3"]) await comes(name);
  });
  afterEach(() => trunkline.end());

  async function seen(name: string): Promise<string | null> {
    const words = ["probe", `pod/${name}`, "host/partner:80", "--timeout", "200", "-o", "json"];
    return (JSON.parse((await trunkline.say(...words, "--lab", trunkline.lab)).stdout) as Probe).sourceSeen;
  }
  async function comes(name: string): Promise<void> {
    let last: string | null = null;
    for (let left = 50; left > 0 && last === null; left--) last = await seen(name);
    expect({ name, seen: last }).toEqual({ name, seen: held });
  }
  const holder = async () => {
    const object = await trunkline.json<{ status: { holders: { node: string }[] } }>("get", "snat", "fixed");
    return object.status.holders[0]?.node ?? "";
  };
  const agentOf = (node: string): number => {
    const pattern = `agent --node ${node} --netns tl-${trunkline.lab}-${node} `;
    const pid = Number(spawnSync("pgrep", ["-f", pattern], { encoding: "utf8" }).stdout.trim());
    expect(pid).toBeGreaterThan(1);
    return pid;
  };
  const netnsOf = (name: string) => ({ name: `tl-${trunkline.lab}-${name}` });
  const macOf = async (node: string) =>
    /link\/ether (\S+)/.exec(
      (await run("ip", ["link", "show", "eth0"], { netns: netnsOf(node) })).stdout,
    )?.[1];
  const neighbour = async () =>
    (await run("ip", ["neighbour", "show", held], { netns: netnsOf("gateway") })).stdout;

  it("is another node's when its node dies, and neighbours are told", async () => {
    const first = await holder();
    const heir = first === "node1" ? "node2" : "node1";
    expect(await neighbour()).toContain(await macOf(first));
    process.kill(agentOf(first), "SIGKILL");
    await run("ip", ["link", "set", "eth0", "down"], { netns: netnsOf(first) });
    await comes("c3");
    await comes(heir === "node1" ? "c1" : "c2");
    expect(await holder()).toBe(heir);
    expect(await neighbour()).toContain(await macOf(heir));
    expect(await seen("other")).toBeNull();
  });

  it("is another node's while its agent hangs, which gives it up when it goes on", async () => {
    const first = await holder();
    const agent = agentOf(first);
    process.kill(agent, "SIGSTOP");
    try {
      for (let left = 100; left > 0 && (await holder()) === first; left--)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await holder()).not.toBe(first);
      await comes("c3");
      // The kernel's own clock takes it from the node whose agent is silent.
      const addresses = async () =>
        (await run("ip", ["-o", "address", "show", "dev", "eth0"], { netns: netnsOf(first) })).stdout;
      for (let left = 100; left > 0 && (await addresses()).includes(held); left--)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await addresses()).not.toContain(held);
    } finally {
      process.kill(agent, "SIGCONT");
    }
    for (const name of ["c1", "c2", "c3"]) await comes(name);
    expect(await holder()).not.toBe(first);
  });
});
