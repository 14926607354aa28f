// From one way of telling routes to another on a cluster that runs: mesh, reflectors, RIP and back. Pods keep their
// addresses; what an open flow loses where a router in between must change its mind too is printed.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SessionReport } from "../../src/plan/routing/bird/report.ts";
import { Commands } from "../e2e/trunkline.ts";

const lab = `
name: routing-changes
networks: [{name: lan-a, cidr: 192.168.18.0/24}, {name: lan-b, cidr: 192.168.28.0/24}, {name: dc, cidr: 10.9.0.0/24}]
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
  - {name: node3, address: 192.168.28.13}
routers:
  - name: r1
    type: frr
    addresses: [192.168.18.1, 192.168.28.1, 10.9.0.1]
    as: 65001
    peers: [{nodes: true, as: 64512}]
    announce: [10.9.0.0/24]
    rip: {networks: [lan-a, lan-b], update: 5s, timeout: 15s, garbage: 10s}
hosts:
  - {name: outside, address: 10.9.0.9, ports: [80]}
`;
const calico = (kind: string, name: string, spec: string) =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const pod = (name: string, node: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}, {containerPort: 81, protocol: UDP}]}]}
`;
const objects = [
  calico("IPPool", "pods", "{cidr: 10.1.0.0/16}"),
  calico("BGPConfiguration", "default", "{asNumber: 64512}"),
  calico(
    "BGPPeer",
    "r1-a",
    "{nodeSelector: \"kubernetes.io/hostname != 'node3'\", peerIP: 192.168.18.1, asNumber: 65001}",
  ),
  calico("BGPPeer", "r1-b", "{node: node3, peerIP: 192.168.28.1, asNumber: 65001}"),
  ...["node1", "node2", "node3"].map((node, at) => pod(`web${at + 1}`, node)),
].join("");
const reflectors =
  calico("BGPPeer", "reflectors", "{peerSelector: \"route-reflector == 'true'\"}") +
  `---
apiVersion: v1
kind: Node
metadata:
  name: node1
  labels: {route-reflector: "true"}
  annotations: {projectcalico.org/RouteReflectorClusterID: 244.0.0.1}
`;
const protocols = (list: string) =>
  `apiVersion: trunkline.dev/v1alpha1\nkind: RoutingConfiguration\nmetadata: {name: default}\nspec: {protocols: ${list}}\n`;

describe("changes of routing on a live cluster", () => {
  const trunkline = new Commands();
  const { file } = trunkline;
  const sessions = async () => {
    const { stdout } = await trunkline.say("route", "sessions", "--lab", trunkline.lab, "-o", "json");
    return JSON.parse(stdout) as { sessions: SessionReport[]; ripNeighbours: unknown[] };
  };
  const apply = (text: string) => trunkline.ask("apply", "-f", file("more.yaml", text));
  const kernel = (node: string) => trunkline.ask("lab", "exec", node, "--", "ip", "route");
  const addresses = () => trunkline.ask("get", "pods", "-o", "jsonpath={.items[*].status.podIP}");
  const until = async <T>(ask: () => Promise<T>, good: (value: T) => boolean): Promise<T> => {
    for (let left = 150; ; left--) {
      const value = await ask();
      if (good(value) || left === 0) return value;
      await sleep(200);
    }
  };
  /** Sends from node2 to the pod on node3 while `change` happens; returns how many of a packet a millisecond were lost. */
  const during = async (seconds: number, change: () => Promise<unknown>): Promise<number> => {
    const { status } = await trunkline.json<{ status: { podIP: string } }>("get", "pod", "web3");
    const sender = path.resolve(import.meta.dirname, "flow-sender.mjs");
    const flow = trunkline.ask(
      "lab",
      "exec",
      "node2",
      "--",
      "node",
      sender,
      status.podIP,
      "81",
      String(seconds),
    );
    await sleep(1000);
    await change();
    const { sent, answers } = JSON.parse(await flow) as { sent: number; answers: number };
    return sent - answers;
  };

  beforeAll(async () => {
    await trunkline.up(file("lab.yaml", lab));
    await trunkline.ask("apply", "-f", file("objects.yaml", objects));
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
    await until(
      sessions,
      ({ sessions: list }) => list.length === 9 && list.every(({ state }) => state === "Established"),
    );
    await until(
      () => kernel("node2"),
      (text) => text.match(/proto bird/g)?.length === 3,
    );
  }, 120_000);
  afterAll(() => trunkline.end());

  // One test, because each step begins where the one before has ended.
  it("go from mesh to a reflector, to RIP and back to BGP; pods keep their addresses", async () => {
    const before = await addresses();
    const lostToReflector = await during(12, async () => {
      await apply(reflectors);
      await sleep(3000);
      await apply(calico("BGPConfiguration", "default", "{asNumber: 64512, nodeToNodeMeshEnabled: false}"));
    });
    const now = await until(sessions, ({ sessions: list }) =>
      list.every(({ state }) => state === "Established"),
    );
    expect(
      now.sessions
        .filter(({ peerNode }) => peerNode !== null)
        .map(({ node, peerNode, routeReflectorClient }) => `${node} ${peerNode} ${routeReflectorClient}`),
    ).toEqual(["node1 node2 true", "node1 node3 true", "node2 node1 false", "node3 node1 false"]);
    // Reflected: node2 hears of node3 by node1, and sends to node3.
    const { routes } = await trunkline.json<{
      routes: { announcedBy: string; peer: string | null; via: string | null; inKernel: boolean }[];
    }>("route", "show", "--node", "node2");
    expect(routes.find(({ announcedBy }) => announcedBy === "node3")).toMatchObject({
      peer: "192.168.18.11",
      via: "192.168.18.1",
      inKernel: true,
    });
    expect(lostToReflector).toBe(0);

    const lostToRip = await during(25, () => apply(protocols("[rip]")));
    const rip = await until(sessions, ({ ripNeighbours }) => ripNeighbours.length === 5);
    expect(rip.sessions).toEqual([]);
    const table = await until(
      () =>
        trunkline.json<{ routes: { through: string; inKernel: boolean; type: string }[] }>(
          "route",
          "show",
          "--node",
          "node2",
        ),
      (shown) => shown.routes.filter(({ through, inKernel }) => through === "rip" && inKernel).length === 3,
    );
    expect(table.routes.filter(({ through, inKernel }) => through === "rip" && inKernel)).toHaveLength(3);
    expect(await kernel("node2")).not.toContain("1000000513");
    const birdc = await trunkline.ask("lab", "exec", "node2", "--", "birdc", "show", "protocols");
    expect(birdc).not.toMatch(/ BGP /);
    expect(
      (await trunkline.json<{ reachable: boolean }>("probe", "host/outside", "pod/web3:80")).reachable,
    ).toBe(true);

    const lostToBgp = await during(12, () => apply(protocols("[bgp]")));
    await until(
      sessions,
      ({ sessions: list }) => list.length === 7 && list.every(({ state }) => state === "Established"),
    );
    expect(
      (await trunkline.json<{ reachable: boolean }>("probe", "host/outside", "pod/web3:80")).reachable,
    ).toBe(true);
    expect(await addresses()).toBe(before);
    console.log(
      `lost of a packet a millisecond: mesh to reflector ${lostToReflector}, BGP to RIP ${lostToRip}, RIP to BGP ${lostToBgp}`,
    );
  }, 200_000);
});
