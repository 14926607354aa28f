// Nodes on two networks that find the address for routes and sessions as RoutingConfiguration says, and find it anew when
// settings, links or addresses change.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Node } from "../../../src/api/kinds/core.ts";
import type { SessionReport } from "../../../src/plan/routing/bird/report.ts";
import { Commands } from "../../e2e/trunkline.ts";

const lab = `
name: node-address
networks: [{name: lan-a, cidrs: [192.168.18.0/24, "fd18::/64"]}, {name: dc, cidrs: [10.9.0.0/24, "fd09::/64"]}]
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd18::11", 10.9.0.11, "fd09::11"]}
  - {name: node2, addresses: [192.168.18.12, "fd18::12", 10.9.0.12, "fd09::12"]}
`;
const pod = (name: string, node: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]}
`;
const calico = (kind: string, name: string, spec: string) =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const objects = [
  calico("IPPool", "pods", "{cidr: 10.1.0.0/16}"),
  calico("IPPool", "pods6", '{cidr: "fd77::/48"}'),
  calico("BGPConfiguration", "default", "{}"),
  pod("web1", "node1"),
  pod("web2", "node2"),
].join("");
const method = (ipv4: string, ipv6: string) =>
  `apiVersion: trunkline.dev/v1alpha1\nkind: RoutingConfiguration\nmetadata: {name: default}\nspec: {nodeAddress: {ipv4: "${ipv4}", ipv6: "${ipv6}"}}\n`;

describe("nodes that find their own address", () => {
  const trunkline = new Commands();
  const { file } = trunkline;
  const apply = (text: string) => trunkline.ask("apply", "-f", file("more.yaml", text));
  const exec = (node: string, ...command: string[]) => trunkline.ask("lab", "exec", node, "--", ...command);
  const sessions = async (): Promise<string[]> => {
    const { stdout } = await trunkline.say("route", "sessions", "--lab", trunkline.lab, "-o", "json");
    const { sessions: list } = JSON.parse(stdout) as { sessions: SessionReport[] };
    return list.map(({ localAddress, peer, state }) => `${localAddress} ${peer} ${state}`).toSorted();
  };
  const both = (...pairs: [string, string][]) =>
    pairs.flatMap(([a, b]) => [`${a} ${b} Established`, `${b} ${a} Established`]).toSorted();
  const becomes = async <T>(ask: () => Promise<T>, expected: unknown): Promise<void> => {
    for (let left = 150; ; left--) {
      const value = await ask();
      try {
        expect(value).toEqual(expected);
        return;
      } catch (error) {
        if (left === 0) throw error;
      }
      await sleep(200);
    }
  };
  const reach = async (from: string, to: string) =>
    await trunkline.json<{ reachable: boolean; sourceSeen: string }>("probe", from, to);
  const condition = async (node: string) => {
    const { status } = await trunkline.json<Node>("get", "node", node);
    const found = status?.conditions?.find(({ type }) => type === "NodeAddressReady");
    return found && `${found.status} ${found.reason}`;
  };

  beforeAll(async () => {
    await trunkline.up(file("lab.yaml", lab));
    await trunkline.ask("apply", "-f", file("objects.yaml", objects));
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
  }, 120_000);
  afterAll(() => trunkline.end());

  // One test, because each step begins where the one before has ended.
  it("go by the method, the machine's addresses, and say what they cannot find and what others have", async () => {
    await becomes(sessions, both(["192.168.18.11", "192.168.18.12"], ["fd18::11", "fd18::12"]));

    for (const [ipv4, ipv6] of [
      ["interface=eth1", "can-reach=fd09::77"],
      ["cidr=10.9.0.0/16", "skip-interface=^eth0$"],
    ] as const) {
      await apply(method(ipv4, ipv6));
      await becomes(sessions, both(["10.9.0.11", "10.9.0.12"], ["fd09::11", "fd09::12"]));
      await becomes(
        () => reach("node/node1", "pod/web2:80"),
        expect.objectContaining({ reachable: true, sourceSeen: "10.9.0.11" }),
      );
      const shown = await trunkline.json<{ nodeAddress: unknown }>("route", "show", "--node", "node1");
      expect(shown.nodeAddress).toEqual({ ipv4: "10.9.0.11/24", ipv6: "fd09::11/64", method: ipv4 });
      await apply(method("first-found", "first-found"));
      await becomes(sessions, both(["192.168.18.11", "192.168.18.12"], ["fd18::11", "fd18::12"]));
    }

    await apply(method("interface=eth1", "none"));
    await becomes(sessions, both(["10.9.0.11", "10.9.0.12"]));
    await trunkline.ask("lab", "node", "renumber", "node2", "10.9.0.77");
    await becomes(sessions, both(["10.9.0.11", "10.9.0.77"]));
    await becomes(() => reach("pod/web1", "pod/web2:80"), expect.objectContaining({ reachable: true }));

    // A link that is away leaves the address where it is, and the node says so.
    await exec("node2", "ip", "link", "set", "eth1", "down");
    await becomes(() => condition("node2"), "False NotDetected");
    const { metadata } = await trunkline.json<Node>("get", "node", "node2");
    expect(metadata.annotations?.["projectcalico.org/IPv4Address"]).toBe("10.9.0.77/24");
    await exec("node2", "ip", "link", "set", "eth1", "up");
    await becomes(() => condition("node2"), "True Detected");
    await becomes(sessions, both(["10.9.0.11", "10.9.0.77"]));

    for (const node of ["node1", "node2"])
      await exec(node, "ip", "address", "add", "10.66.0.1/24", "dev", "eth1");
    await apply(method("cidr=10.66.0.0/24", "none"));
    await becomes(() => condition("node1"), "False AddressInUse");
    await becomes(() => condition("node2"), "False AddressInUse");
    const { stdout, code } = await trunkline.say("doctor", "--lab", trunkline.lab);
    expect(code).toBe(1);
    expect(stdout).toContain("10.66.0.1 is also that of node2");
    expect(await trunkline.ask("get", "events", "-A")).toContain("DuplicateNodeAddress");

    await apply(method("kubernetes-internal-ip", "kubernetes-internal-ip"));
    await becomes(sessions, both(["192.168.18.11", "192.168.18.12"], ["fd18::11", "fd18::12"]));
    await becomes(() => condition("node1"), "True Detected");
  });
});
