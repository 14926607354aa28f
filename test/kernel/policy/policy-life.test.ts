import { createSocket } from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/api/kinds/network-policy.ts";
import { linuxMachine, MAIN_TABLE, ROUTE_PROTOCOL } from "../../../src/kernel/index.ts";
import type { PolicyBed } from "./policy-bed.ts";
import { friend, linkOf, meta, other, podOf, rulesetOf, server, trio } from "./policy-trio.ts";

let bed: PolicyBed;
const sockets: (net.Socket | net.Server)[] = [];

function onlyFriend(): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { ...meta, name: "only-friend", namespace: "x", uid: "p" },
    spec: {
      podSelector: { matchLabels: { app: "server" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }] }],
    },
  };
}

async function setPolicy(policy: NetworkPolicy | undefined): Promise<void> {
  bed.facts = { ...bed.facts, policies: new Map(policy === undefined ? [] : [["x/only-friend", policy]]) };
  await bed.apply(new Map([["networkpolicies", new Set(["x/only-friend"])]]));
}

/** Says `disable_network_policy` as a user does. */
async function switchPolicies(disabled: "true" | "false"): Promise<void> {
  const map = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...meta, name: "eni-config", namespace: "kube-system", uid: "c" },
    data: { eni_conf: JSON.stringify({ disable_network_policy: disabled }) },
  } as const;
  bed.facts = { ...bed.facts, configMaps: new Map([["kube-system/eni-config", map]]) };
  await bed.apply(new Map([["configmaps", new Set(["kube-system/eni-config"])]]));
}

beforeEach(async () => {
  bed = await trio();
});

afterEach(async () => {
  for (const one of sockets.splice(0))
    if ("destroy" in one) one.destroy();
    else one.close();
  await bed.close();
});

/** Opens a TCP connection between pods, both ends with what they received. */
async function connect(
  from: string,
  port: number,
): Promise<{ client: net.Socket; fromServer: Promise<net.Socket> }> {
  const listener = net.createServer();
  const fd = bed.end(server)?.kernel.sockets.listenTcp(server, port);
  listener.listen({ fd: fd ?? -1 });
  await once(listener, "listening");
  const fromServer = once(listener, "connection").then(([socket]) => socket as net.Socket);
  const out = bed.end(from)?.kernel.sockets.connectTcp(server, port);
  const client = new net.Socket({ fd: out ?? -1, readable: true, writable: true });
  sockets.push(listener, client);
  sockets.push(await fromServer);
  return { client, fromServer };
}

async function echo(client: net.Socket, peer: net.Socket): Promise<string> {
  client.write("ping");
  const [data] = (await once(peer, "data")) as [Buffer];
  return data.toString();
}

const LOCAL_TABLE = 255;

describe("policies through changes, faults and restarts", () => {
  it("cut connections that a change forbids, and no others", async () => {
    const cut = await connect(other, 7001);
    const kept = await connect(friend, 7002);
    const [cutServer, keptServer] = [await cut.fromServer, await kept.fromServer];
    expect(await echo(cut.client, cutServer)).toBe("ping");
    const ended = [cut.client, cutServer].map((socket) =>
      once(socket, "error").then(([error]) => error as NodeJS.ErrnoException),
    );
    await setPolicy(onlyFriend());
    // Both ends try on: neither direction may pick the connection up again; both are told.
    cut.client.write("still there?");
    cutServer.write("still there?");
    expect((await Promise.all(ended)).map((error) => error.code)).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect(await echo(kept.client, keptServer)).toBe("ping");
  });

  it("refuse TCP in the middle of a connection that nobody knows, where pods are isolated", async () => {
    const acks = [
      { from: other, to: server, protocol: "TCP", port: 80 },
      { from: server, to: other, protocol: "TCP", port: 80 },
      { from: friend, to: other, protocol: "TCP", port: 80 },
    ] as const;
    expect(await bed.send(acks, 0x10)).toEqual([true, true, true]);
    await setPolicy(onlyFriend());
    expect(await bed.send(acks, 0x10)).toEqual([false, false, true]);
  });

  it("let the node reach its own pods", async () => {
    await setPolicy({ ...onlyFriend(), spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] } });
    const flows = [
      { from: "192.168.18.1", to: server, protocol: "TCP", port: 80 },
      { from: "fd18::1", to: "fd00::1", protocol: "UDP", port: 80 },
      { from: server, to: "192.168.18.1", protocol: "TCP", port: 80 },
      { from: friend, to: server, protocol: "TCP", port: 80 },
    ] as const;
    expect(await bed.send(flows)).toEqual([true, true, false, false]);
  });

  it("let IPv6 neighbours find each other however isolated they are", async () => {
    await setPolicy({ ...onlyFriend(), spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] } });
    for (const entry of bed.node.neighbours.list())
      if (entry.address === "fd00::1") bed.node.neighbours.remove(entry);
    expect(await bed.send([{ from: "fd18::1", to: "fd00::1", protocol: "UDP", port: 80 }])).toEqual([true]);
  });

  describe.each([
    { what: "IPv4", own: other, stolen: friend, target: server, loose: 0 },
    {
      what: "IPv4 where the node's reverse path check is loose",
      own: other,
      stolen: friend,
      target: server,
      loose: 2,
    },
    { what: "IPv6", own: "fd00::3", stolen: "fd00::2", target: "fd00::1", loose: 0 },
  ])("$what: let no pod send from an address that is not its own", ({ own, stolen, target, loose }) => {
    beforeEach(async () => {
      bed.node.sysctl.set("net/ipv4/conf/all/rp_filter", loose);
      await bed.manager.stop();
      bed.startManager();
      await bed.apply();
    });

    function steal(destination = target): void {
      const end = bed.end(own);
      const linkIndex = end?.kernel.links.get("eth0")?.index ?? 0;
      const family = own.includes(":") ? 6 : 4;
      const length = family === 4 ? 32 : 128;
      const common = { family, linkIndex, protocol: ROUTE_PROTOCOL, table: MAIN_TABLE } as const;
      end?.kernel.addresses.add({ linkIndex, address: `${stolen}/${length}`, scope: "global", noDad: true });
      end?.kernel.routes.add({
        ...common,
        destination: `${destination}/${length}`,
        type: "unicast",
        via: family === 4 ? "169.254.1.1" : "fe80::1",
        onlink: true,
        source: stolen,
      });
    }

    it("as a first packet, with policies and without", async () => {
      const flow = { from: own, to: target, protocol: "UDP", port: 53 } as const;
      expect(await bed.send([flow])).toEqual([true]);
      steal();
      expect(await bed.send([{ ...flow, from: stolen, by: own }])).toEqual([false]);
      expect(await bed.send([{ ...flow, from: stolen }])).toEqual([true]);
      await switchPolicies("true");
      expect(await bed.send([{ ...flow, from: stolen, by: own }])).toEqual([false]);
      expect(await bed.send([{ ...flow, from: stolen }])).toEqual([true]);
    });

    it("as part of another pod's connection", async () => {
      const there = { from: stolen, to: target, protocol: "UDP", port: 53, sourcePort: 9999 } as const;
      const back = { from: target, to: stolen, protocol: "UDP", port: 9999, sourcePort: 53 } as const;
      expect(await bed.send([there])).toEqual([true]);
      expect(await bed.send([back])).toEqual([true]);
      expect(await bed.send([there])).toEqual([true]);
      steal();
      expect(await bed.send([{ ...there, by: own }])).toEqual([false]);
      expect(await bed.send([there])).toEqual([true]);
    });

    it("to a connected socket of the node's, which gets its packets without a look-up", async () => {
      const node = own.includes(":") ? "fd18::1" : "192.168.18.1";
      const socket = createSocket(own.includes(":") ? "udp6" : "udp4");
      const far = bed.end(stolen)?.kernel.sockets;
      const farSocket = far?.bindUdp(stolen, 9999) ?? -1;
      let received = 0;
      try {
        socket.bind({ fd: bed.node.sockets.bindUdp(node, 5353) });
        const connected = once(socket, "connect");
        socket.connect(9999, stolen);
        await connected;
        socket.on("message", () => received++);
        socket.send("a connection");
        const there = { from: stolen, to: node, protocol: "UDP", port: 5353, sourcePort: 9999 } as const;
        expect(await bed.send([there])).toEqual([true]);
        steal(node);
        expect(await bed.send([{ ...there, by: own }])).toEqual([false]);
        expect(await bed.send([there])).toEqual([true]);
        expect(received).toBe(2);
      } finally {
        socket.close();
        far?.close(farSocket);
      }
    });
  });

  it("keep pods from the node's loopback, also where a link is open to it, as portmap leaves those with a hostPort", async () => {
    const end = bed.end(other)!;
    const linkIndex = end.kernel.links.get("eth0")?.index ?? 0;
    bed.node.sysctl.set(`net/ipv4/conf/${end.link}/route_localnet`, 1);
    end.kernel.sysctl.set("net/ipv4/conf/eth0/route_localnet", 1);
    for (const route of end.kernel.routes.list({ family: 4, table: LOCAL_TABLE }))
      if (route.destination.startsWith("127.")) end.kernel.routes.remove(route);
    end.kernel.routes.add({
      family: 4,
      destination: "127.0.0.1/32",
      type: "unicast",
      via: "169.254.1.1",
      linkIndex,
      onlink: true,
      source: other,
      protocol: ROUTE_PROTOCOL,
      table: MAIN_TABLE,
    });
    const [service, pod] = [createSocket("udp4"), createSocket("udp4")];
    let received = 0;
    const sent = async (): Promise<number> => {
      received = 0;
      pod.send("to the node's loopback", 5353, "127.0.0.1");
      await sleep(50);
      return received;
    };
    try {
      service.bind({ fd: bed.node.sockets.bindUdp("127.0.0.1", 5353) });
      service.on("message", () => received++);
      pod.bind({ fd: end.kernel.sockets.bindUdp(other, 9999) });
      expect(await sent()).toBe(0);
      await switchPolicies("true");
      expect(await sent()).toBe(0);
      // It is the rule that stops them, and nothing else.
      await bed.node.nft.run("insert rule inet trunkline pod-input accept");
      expect(await sent()).toBe(1);
    } finally {
      service.close();
      pod.close();
    }
  });

  it("hold while the agent is dead, and shut what it does not know", async () => {
    await setPolicy(onlyFriend());
    await bed.manager.stop();
    bed.plug(linkOf(9), ["10.0.0.9"]);
    const flows = [
      { from: friend, to: server, protocol: "TCP", port: 80 },
      { from: other, to: server, protocol: "TCP", port: 80 },
      { from: "10.0.0.9", to: friend, protocol: "TCP", port: 80 },
      { from: friend, to: "10.0.0.9", protocol: "TCP", port: 80 },
      { from: "192.168.18.1", to: "10.0.0.9", protocol: "TCP", port: 80 },
      { from: "10.0.0.9", to: "192.168.18.1", protocol: "TCP", port: 80 },
    ] as const;
    expect(await bed.send(flows)).toEqual([true, false, false, false, false, false]);
  });

  it("lose no packet of an allowed flow when the agent starts again, and open nothing meanwhile", async () => {
    await setPolicy(onlyFriend());
    const before = await rulesetOf(bed);
    const flow = { to: server, protocol: "UDP", port: 53 } as const;
    // Alternately, one a millisecond; every packet is a first one, which the rules must judge.
    const flows = Array.from({ length: 400 }, (_, at) => ({ ...flow, from: at % 2 === 0 ? friend : other }));
    const traffic = bed.send(flows, undefined, 1);
    for (let round = 0; round < 5; round++) {
      await sleep(30);
      await bed.manager.stop();
      bed.startManager();
      await bed.apply();
    }
    const arrived = await traffic;
    expect(arrived.filter((_, at) => at % 2 === 0)).not.toContain(false);
    expect(arrived.filter((_, at) => at % 2 === 1)).not.toContain(true);
    expect(await rulesetOf(bed)).toBe(before);
  });

  it("come back after somebody else changed the table, and are left alone otherwise", async () => {
    await setPolicy(onlyFriend());
    const before = await rulesetOf(bed);
    await bed.send([{ from: friend, to: server, protocol: "TCP", port: 80 }]);
    await bed.manager.resync();
    // Counters would be zero again, had the table been replaced for nothing.
    expect(await bed.node.nft.text("list table inet trunkline")).toMatch(/counter packets [1-9]/);
    const foreign = linuxMachine().open({ name: bed.nodeName });
    for (const harm of ["flush chain inet trunkline policy-ingress", "delete table inet trunkline"]) {
      const seen = Promise.withResolvers<void>();
      const watch = bed.node.watch(["nftables"], (event) => {
        if (event.kind === "nftables" && !event.byUs) seen.resolve();
      });
      await foreign.nft.run(harm);
      expect(await rulesetOf(bed)).not.toBe(before);
      await seen.promise;
      watch.stop();
      // The manager's own watch may hear of it a moment after this one.
      await expect
        .poll(async () => {
          await bed.manager.resync();
          return await rulesetOf(bed);
        })
        .toBe(before);
    }
    foreign.close();
  });

  it("are switched off without leftovers, and on again", async () => {
    await setPolicy(onlyFriend());
    const before = await rulesetOf(bed);
    const flow = { from: other, to: server, protocol: "TCP", port: 80 } as const;
    expect(await bed.send([flow])).toEqual([false]);
    await switchPolicies("true");
    expect(await bed.send([flow])).toEqual([true]);
    expect(await rulesetOf(bed)).not.toContain("policy-");
    await switchPolicies("false");
    expect(await bed.send([flow])).toEqual([false]);
    expect(await rulesetOf(bed)).toBe(before);
  });

  it("follow pods element by element: an arrival or departure touches no chain", async () => {
    await setPolicy(onlyFriend());
    const sent: string[] = [];
    const { nft } = bed.node;
    const [run, change] = [nft.run.bind(nft), nft.change.bind(nft)];
    nft.run = (commands) => {
      sent.push(commands);
      return run(commands);
    };
    nft.change = (table, changes) => {
      sent.push("elements");
      return change(table, changes);
    };
    const late = podOf("friend", 7);
    const pods = new Map([
      ...bed.facts.pods,
      ["x/late", { ...late, metadata: { ...late.metadata, name: "late" } }],
    ]);
    bed.facts = { ...bed.facts, pods };
    await bed.apply(new Map([["pods", new Set(["x/late"])]]));
    bed.facts = { ...bed.facts, pods: new Map([...pods].filter(([key]) => key !== "x/late")) };
    await bed.apply(new Map([["pods", new Set(["x/late"])]]));
    // Over our own messages, that is, without a look at the table.
    expect(sent).toEqual(["elements", "elements"]);
  });
});
