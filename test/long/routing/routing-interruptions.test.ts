// What running flows lose when ways change under them: tunnels switched, the way of telling routes changed, a LAN cut, a
// node renumbered, a router killed. What a flow loses is printed; what must hold is that pods keep their addresses, that
// all ways are there in the end, and that flows that such a change does not touch lose nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { calico, pod, RoutingBed, routing, told } from "./routing-bed.ts";

const lab = `
name: interruptions
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
  - name: r2
    type: bird
    addresses: [192.168.18.2, 192.168.28.2]
    rip: {networks: [lan-a, lan-b], update: 5s, timeout: 15s, garbage: 10s}
hosts:
  - {name: outside, address: 10.9.0.9, ports: [80]}
`;
const pool = (tunnel = "") => calico("IPPool", "pods", `{cidr: 10.1.0.0/16${tunnel}}`);
const mesh = (on: boolean) =>
  calico("BGPConfiguration", "default", `{asNumber: 64512, nodeToNodeMeshEnabled: ${on}}`);
const reflectors = calico("BGPPeer", "reflectors", "{peerSelector: \"route-reflector == 'true'\"}");
const reflector = (id: string) => `---
apiVersion: v1
kind: Node
metadata:
  name: node1
  labels: {route-reflector: "true"}
  annotations: {projectcalico.org/RouteReflectorClusterID: "${id}"}
`;
const objects = [
  pool(),
  mesh(true),
  calico(
    "BGPPeer",
    "r1-a",
    "{nodeSelector: \"kubernetes.io/hostname in {'node1', 'node2'}\", peerIP: 192.168.18.1, asNumber: 65001}",
  ),
  calico(
    "BGPPeer",
    "r1-b",
    "{nodeSelector: \"kubernetes.io/hostname in {'node3', 'node4'}\", peerIP: 192.168.28.1, asNumber: 65001}",
  ),
  routing("{protocols: [bgp]}"),
  ...["node1", "node2", "node3"].map((node, at) => pod(`web${at + 1}`, node)),
].join("");
const FLOWS = { "same LAN": ["web1", "web2"], across: ["web1", "web3"] } as const;

describe("what flows lose while ways change", () => {
  const bed = new RoutingBed();
  const printed: string[] = [];
  let before = "";
  const kernel = (node: string) => bed.kernel(node);
  const eventually = { timeout: 60_000, interval: 200 };
  /** All blocks' routes of a member are there, and of that protocol. */
  const hasRoutes = (member: string, count: number, protocol: string) =>
    expect
      .poll(() => kernel(member), eventually)
      .toSatisfy((text: string) => {
        const blocks = text.split("\n").filter((line) => line.startsWith("10.1.") && line.includes("/26"));
        return blocks.length === count && blocks.every((line) => line.includes(`proto ${protocol}`));
      });
  /** All nodes' routes are BIRD's, and nothing of before is left. */
  const settled = async () => {
    await bed.established(9);
    for (const node of ["node1", "node2", "node3"]) await hasRoutes(node, 2, "bird");
    // A router that was killed, or heard of blocks by RIP, takes BGP's routes some seconds later, one after the other: FRR
    // removes the old one, and 50 to 80 ms later makes the new one.
    await hasRoutes("r1", 3, "bgp");
    await expect.poll(() => bed.reaches("host/outside", "pod/web3:80"), eventually).toBe(true);
  };
  const noSessions = () => expect.poll(async () => (await bed.routing()).sessions.length, eventually).toBe(0);
  const remoteBlocks = async () => (await kernel("node1")).match(/10\.1\.\S+\/26 via/g)?.length ?? 0;

  beforeAll(async () => {
    await bed.commands.up(bed.commands.file("lab.yaml", lab));
    await bed.apply(objects);
    await bed.commands.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
    before = await bed.addresses();
  }, 120_000);
  beforeEach(settled, 120_000);
  afterEach(async () => {
    for (const line of printed.splice(0)) console.log(line);
    for (const name of ["web1", "web2", "web3"]) expect(before).toContain(await bed.addressOf(name));
  });
  afterAll(() => bed.commands.end());

  it("a tunnel comes, becomes one between LANs only, and goes", async () => {
    for (const [what, tunnel, way] of [
      ["no tunnel to VXLAN Always", ", vxlanMode: Always", /10\.1\.\S+ via 10\.1\.\S+ dev vxlan\.tl/],
      [
        "VXLAN Always to CrossSubnet",
        ", vxlanMode: CrossSubnet",
        /10\.1\.\S+ via 192\.168\.18\.12 dev eth0 proto 84/,
      ],
      ["VXLAN CrossSubnet to none", "", /10\.1\.\S+ via 192\.168\.18\.1 dev eth0 proto bird/],
    ] as const) {
      const flows = await bed.during(15, FLOWS, async () => {
        await bed.apply(pool(tunnel));
        await expect.poll(() => kernel("node1"), eventually).toMatch(way);
      });
      printed.push(...told(what, flows));
    }
  });

  it("mesh to a reflector and back", async () => {
    const to = await bed.during(20, FLOWS, async () => {
      await bed.apply(reflectors + reflector("244.0.0.1"));
      await sleep(3000);
      await bed.apply(mesh(false));
      await bed.established(7);
    });
    const clients = (await bed.sessions()).filter(({ peerNode }) => peerNode !== null);
    expect(
      clients.map(
        ({ node, peerNode, routeReflectorClient }) => `${node} ${peerNode} ${routeReflectorClient}`,
      ),
    ).toEqual(["node1 node2 true", "node1 node3 true", "node2 node1 false", "node3 node1 false"]);
    // Reflected: node2 hears of node3 by node1, and sends to node3.
    const rows = await bed.rows("--node", "node2");
    expect(rows.find(({ announcedBy }) => announcedBy === "node3")).toMatchObject({
      peer: "192.168.18.11",
      via: "192.168.18.1",
      inKernel: true,
    });
    const back = await bed.during(20, FLOWS, async () => {
      await bed.apply(mesh(true) + reflector(""));
      await sleep(3000);
      await bed.commands.ask("delete", "bgppeer", "reflectors");
      await bed.established(9);
    });
    printed.push(...told("mesh to reflector", to), ...told("reflector to mesh", back));
    for (const flows of [to, back]) {
      expect(flows["same LAN"]?.lost).toBe(0);
      expect(flows["across"]?.lost).toBe(0);
    }
  });

  it("BGP to RIP and back", async () => {
    const toRip = await bed.during(40, FLOWS, async () => {
      await bed.apply(routing("{protocols: [rip]}"));
      await noSessions();
    });
    // The network behind the router, and the other nodes' blocks.
    await expect
      .poll(async () => {
        const rows = await bed.rows("--node", "node2");
        return rows.filter(({ through, inKernel }) => through === "rip" && inKernel).length;
      }, eventually)
      .toBe(3);
    await expect.poll(() => kernel("node2"), eventually).not.toContain("1000000513");
    expect((await bed.routing()).ripNeighbours.length).toBeGreaterThan(0);
    expect(await bed.exec("node2", "birdc", "show", "protocols")).not.toMatch(/ BGP /);
    expect(await bed.reaches("host/outside", "pod/web3:80")).toBe(true);
    const toBgp = await bed.during(25, FLOWS, async () => {
      await bed.apply(routing("{protocols: [bgp]}"));
      await bed.established(9);
    });
    printed.push(...told("BGP to RIP", toRip), ...told("RIP to BGP", toBgp));
    expect(toRip["same LAN"]?.lost).toBe(0);
  });

  it("a LAN cut off for 30 s", async () => {
    const flows = await bed.during(60, FLOWS, async () => {
      await bed.exec("r1", "ip", "link", "set", "eth1", "down");
      const cut = performance.now();
      // What cannot be reached any more is in no kernel.
      await expect.poll(remoteBlocks, eventually).toBe(1);
      await sleep(Math.max(0, 30_000 - (performance.now() - cut)));
      await bed.exec("r1", "ip", "link", "set", "eth1", "up");
    });
    printed.push(...told("LAN cut for 30 s", flows));
    expect(flows["same LAN"]?.lost).toBe(0);
    expect(flows["across"]?.lost).toBeGreaterThan(0);
  });

  it("a router that is cut off where another one is there (RIP)", async () => {
    await bed.apply(routing("{protocols: [rip]}"));
    await noSessions();
    // Both routers have told all by then; nodes take the one or the other.
    await sleep(12_000);
    const gateway = async () =>
      (await kernel("node1")).match(/10\.1\.\S+\/26 via (192\.168\.18\.[12]) /)?.[1];
    const first = await bed.until(gateway, (one) => one !== undefined);
    const router = first === "192.168.18.1" ? "r1" : "r2";
    const flows = await bed.during(40, FLOWS, async () => {
      for (const link of ["eth0", "eth1"]) await bed.exec(router, "ip", "link", "set", link, "down");
      await expect.poll(gateway, eventually).not.toBe(first);
    });
    for (const link of ["eth0", "eth1"]) await bed.exec(router, "ip", "link", "set", link, "up");
    printed.push(
      ...told(`${router} of two routers is cut off (RIP, silent neighbours go after 15 s)`, flows),
    );
    expect(flows["same LAN"]?.lost).toBe(0);
    await bed.apply(routing("{protocols: [bgp]}"));
  });

  it("a router is killed", async () => {
    const flows = await bed.during(30, FLOWS, async () => {
      await bed.commands.ask("lab", "process", "kill", "router/r1");
      await bed.established(9);
    });
    // What lies across goes through the router itself, which forgets its routes.
    printed.push(...told("router killed", flows));
    expect(flows["same LAN"]?.lost).toBe(0);
  });

  it("a node is renumbered", async () => {
    const flows = await bed.during(25, FLOWS, async () => {
      await bed.commands.ask("lab", "node", "renumber", "node3", "192.168.28.77");
      await expect
        .poll(() => bed.exec("r1", "ip", "route"), eventually)
        .toMatch(/10\.1\.\S+ .*via 192\.168\.28\.77/);
    });
    await bed.established(9);
    expect(await bed.exec("r1", "ip", "route")).not.toContain("192.168.28.13 ");
    printed.push(...told("node renumbered", flows));
    expect(flows["same LAN"]?.lost).toBe(0);
    await bed.commands.ask("lab", "node", "renumber", "node3", "192.168.28.13");
  });

  it("a node goes and comes back with its name and another address", async () => {
    const block = async () => (await bed.rows()).find(({ announcedBy }) => announcedBy === "node4")?.prefix;
    for (const address of ["192.168.28.14", "192.168.28.44"]) {
      await bed.commands.ask("lab", "node", "add", "node4", "--address", address);
      await bed.apply(pod("web4", "node4"));
      await bed.commands.ask("wait", "--for", "ready", "pod/web4");
      await bed.established(16);
      const prefix = (await bed.until(block, (one) => one !== undefined)) ?? "no block";
      await expect
        .poll(() => bed.exec("r1", "ip", "route"), eventually)
        .toSatisfy((text: string) =>
          text.split("\n").some((line) => line.startsWith(`${prefix} `) && line.includes(`via ${address} `)),
        );
      expect(await bed.reaches("pod/web1", "pod/web4:80")).toBe(true);
      await bed.commands.ask("delete", "pod", "web4");
      await bed.commands.ask("lab", "node", "remove", "node4");
      for (const member of ["node1", "node2", "node3", "r1"])
        await expect.poll(() => kernel(member), eventually).not.toContain(prefix);
      expect(await kernel("node1")).not.toContain(address);
    }
  });
});
