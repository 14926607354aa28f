import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAIN_TABLE } from "../../../src/kernel/index.ts";
import {
  type Cluster,
  clusterFacts,
  clusterNode,
  namespace,
  pod,
  pool,
  sourceNat,
} from "../../../src/plan/snat/facts.suite.ts";
import { decideSnat, planSnat } from "../../../src/plan/snat/index.ts";
import { type BedNode, type BedPod, internetHost, NatBed, peer, vpcHost } from "./nat-bed.ts";

const masq = "nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 172.16.0.0/12\n- 192.168.0.0/16\n- fd00::/8\n";
const pools = [pool("pods", "172.16.0.0/16"), pool("pods6", "fd10::/48")];

describe("source translation with real packets", () => {
  let bed: NatBed;
  let node: BedNode;
  let web: BedPod;
  let six: BedPod;
  let near: BedPod;
  /** Behind the node like a pod, but with an address of no pool. */
  let stranger: BedPod;
  const held: Socket[] = [];

  beforeAll(async () => {
    bed = new NatBed();
    node = bed.addNode(1);
    web = bed.addPod(node, "172.16.1.5");
    six = bed.addPod(node, "fd10::5");
    near = bed.addPod(node, "172.16.1.6");
    stranger = bed.addPod(node, "172.31.0.9");
    await bed.listen(80);
    await bed.listen(81, (socket) => {
      held.push(socket);
      socket.on("error", () => socket.destroy());
      socket.on("data", (data) => socket.write(`${peer(socket)}:${socket.remotePort} ${data.toString()}`));
    });
  });
  afterAll(async () => {
    for (const socket of held) socket.destroy();
    await bed.close();
  });

  const facts = (cluster: Cluster) =>
    clusterFacts({
      pools,
      pods: [pod("web", ["172.16.1.5", "fd10::5"], { labels: { app: "web" } })],
      nodes: [clusterNode("node1", ["192.168.18.11", "fd18::11"])],
      ...cluster,
    });
  const webPod = (snat: string) => [pod("web", ["172.16.1.5", "fd10::5"], { snat })];
  const rule = (action: object, destinations: string[] = []) => [
    sourceNat("one", [{ destinations, action: action as { type: "None" } }]),
  ];

  const cells: readonly [string, Cluster][] = [
    ["nothing", {}],
    ["pool-on", { pools: [pool("pods", "172.16.0.0/16", { natOutgoing: true })] }],
    ["pool-off", { config: masq, pools: [pool("pods", "172.16.0.0/16", { natOutgoing: false })] }],
    ["config", { config: masq }],
    ["config, link-local too", { config: `${masq}masqLinkLocal: true\n` }],
    [
      "config, ports and randomness",
      { config: `${masq}toPorts: 20000-20999,30000-30999\nrandomFully: false\n` },
    ],
    ["config-inverse", { config: "masqueradeCIDRs: [10.5.0.0/16]" }],
    ["both lists", { config: "nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqueradeCIDRs: [10.5.0.0/16]" }],
    ["pod-none", { config: masq, pods: webPod("none") }],
    ["pod-masquerade", { config: masq, pods: webPod("masquerade") }],
    ["namespace-none", { config: masq, namespaces: [namespace("shop", "none")] }],
    ["namespace-masquerade", { namespaces: [namespace("shop", "masquerade")] }],
    ["source-nat none", { config: masq, sourceNats: rule({ type: "None" }, ["203.0.113.0/24"]) }],
    [
      "source-nat masquerade",
      { config: masq, sourceNats: rule({ type: "Masquerade" }, ["192.168.200.0/24"]) },
    ],
    [
      "source-nat addresses",
      { config: masq, sourceNats: rule({ type: "Address", addresses: ["192.168.18.11", "fd18::11"] }) },
    ],
  ];
  const destinations = [vpcHost, internetHost, "169.254.169.254", "10.5.0.1", "10.6.0.1"];

  it.each(cells)("%s: every destination sees what the evaluator says", async (_, cluster) => {
    const given = facts(cluster);
    await bed.apply(node, given);
    const plan = planSnat(given, node.facts());
    const said: string[] = [];
    const real: string[] = [];
    for (const [from, list] of [
      [web, destinations],
      [six, ["fd20::1", "2001:db8::10"]],
    ] as const) {
      for (const destination of list) {
        const { sourceSeen } = decideSnat(plan, { source: from.ip, destination });
        said.push(`${destination} ${sourceSeen}`);
        real.push(`${destination} ${await bed.seen(from, destination)}`);
      }
    }
    expect(real).toEqual(said);
  });

  it("leaves alone what is no pod's, what is for the node itself, and what is between pods", async () => {
    const all = "nonMasqueradeCIDRs: []\nmasqLinkLocal: true\n";
    await bed.apply(node, facts({ config: all }));
    const servers = await Promise.all(
      [node.kernel, near.kernel].map(async (kernel) => {
        const server = createServer((socket) => socket.end(peer(socket)));
        server.listen({ fd: kernel.sockets.listenTcp("0.0.0.0", 82) });
        await once(server, "listening");
        return server;
      }),
    );
    // not-a-pod, own-node, pod-to-pod
    expect(await bed.seen(stranger, internetHost)).toBe("172.31.0.9");
    expect(await bed.seen(web, node.address, 82)).toBe(web.ip);
    expect(await bed.seen(web, near.ip, 82)).toBe(web.ip);
    expect(await bed.seen(web, internetHost)).toBe("192.168.18.11");
    for (const server of servers) server.close();
  });

  it("leaves alone what another node's pod sends through this one", async () => {
    const other = bed.addNode(2);
    const pods4 = pool("pods", "172.16.0.0/16", { natOutgoing: true });
    const away = bed.addPod(other, "172.16.2.5");
    const uplink = other.kernel.links.get("eth0")?.index ?? 0;
    const around = {
      family: 4,
      destination: `${vpcHost}/32`,
      via: node.address,
      linkIndex: uplink,
      type: "unicast",
      protocol: 4,
      table: MAIN_TABLE,
    } as const;
    other.kernel.routes.add(around);
    node.kernel.sysctl.set("net/ipv4/conf/all/send_redirects", 0);
    const nodes = [
      clusterNode("node1", ["192.168.18.11", "fd18::11"]),
      clusterNode("node2", ["192.168.18.12", "fd18::12"]),
    ];
    const given = facts({ pools: [pods4], nodes, pods: [pod("away", "172.16.2.5", { node: "node2" })] });
    await bed.apply(node, given);
    await bed.apply(other, given);
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.on("data", (data) => socket.end(`${peer(socket)} ${data.toString()}`));
    });
    server.listen({ fd: away.kernel.sockets.listenTcp("0.0.0.0", 80) });
    await once(server, "listening");
    const fd = bed.outside.sockets.connectTcp("172.16.2.5", 80, vpcHost);
    const socket = new Socket({ fd, readable: true, writable: true });
    socket.write("hello");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toBe(`${vpcHost} hello`);
    socket.destroy();
    server.close();
    // What a pod of the node itself opens is translated as before, and what the other node's does is translated there.
    expect(await bed.seen(web, internetHost)).toBe(node.address);
    expect(await bed.seen(away, internetHost)).toBe(other.address);
  });

  it("takes ports from the ranges that were set", async () => {
    await bed.apply(node, facts({ config: `${masq}toPorts: 20000-20009\n` }));
    const socket = bed.connect(web, internetHost, 81);
    socket.write("x");
    const [data] = (await once(socket, "data")) as [Buffer];
    expect(Number(/:(\d+) /.exec(data.toString())?.[1])).toBeGreaterThanOrEqual(20_000);
    expect(Number(/:(\d+) /.exec(data.toString())?.[1])).toBeLessThanOrEqual(20_009);
    socket.destroy();
  });

  it("leaves running connections as they are when the configuration changes", async () => {
    await bed.apply(node, facts({ config: masq }));
    const socket = bed.connect(web, internetHost, 81);
    const ask = async (text: string) => {
      socket.write(text);
      const [data] = (await once(socket, "data")) as [Buffer];
      return data.toString();
    };
    const before = await ask("a");
    expect(before).toContain("192.168.18.11:");
    await bed.apply(node, facts({ config: "nonMasqueradeCIDRs: [203.0.113.0/24]" }));
    expect(await ask("a")).toBe(before);
    expect(await bed.seen(web, internetHost)).toBe("172.16.1.5");
    expect(await bed.seen(web, vpcHost)).toBe("192.168.18.11");
    socket.destroy();
  });

  it("does not hide from a pod who calls it", async () => {
    await bed.apply(node, facts({ config: "nonMasqueradeCIDRs: []\nmasqLinkLocal: true" }));
    const fd = web.kernel.sockets.listenTcp("0.0.0.0", 8080);
    const server = createServer((socket) => socket.end(peer(socket))).listen({ fd });
    await once(server, "listening");
    expect(await bed.seen({ kernel: bed.outside, ip: "", node }, "172.16.1.5", 8080)).toBe("192.168.18.1");
    server.close();
  });

  it("keeps the last good configuration over a bad one, also after a restart", async () => {
    await bed.apply(node, facts({ config: "nonMasqueradeCIDRs: [203.0.113.0/24]" }));
    await bed.apply(node, facts({ config: "nonMasqueradeCIDRs: [203.0.113.0/24, 300.0.0.0/8]" }));
    expect(await bed.seen(web, internetHost)).toBe("172.16.1.5");
    expect(node.manager.problems()[0]).toMatchObject({
      code: "snat.range",
      object: "ConfigMap/kube-system/ip-masq-agent",
    });
    expect(node.manager.problems()[0]?.message).toContain("kube-system/ip-masq-agent[config]:1:38: ");
  });

  it("puts its rules back after somebody deleted them", async () => {
    await bed.apply(node, facts({ config: masq }));
    await node.kernel.nft.run("delete table inet trunkline");
    expect(await bed.seen(web, internetHost)).toBe("172.16.1.5");
    await node.manager.resync(facts({ config: masq }), node.facts());
    expect(await bed.seen(web, internetHost)).toBe("192.168.18.11");
  });
});
