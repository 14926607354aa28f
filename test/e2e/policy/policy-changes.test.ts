// Policies while things change: agents that are killed, rules that others touch, the switch, and pods that cheat or end.
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { probe } from "../../../src/agent/probe/client.ts";
import { podKind } from "../../../src/api/kinds/core.ts";
import { type NetworkPolicy, networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import { cidrOf, formatIp, parseIp } from "../../../src/base/ip.ts";
import { run } from "../../../src/kernel/exec/index.ts";
import { POD_LINK_GROUP } from "../../../src/kernel/index.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import { firstPacket } from "../../kernel/packets.ts";
import { bothMatrices, verdicts } from "../cells.ts";
import { PolicyLab, until } from "./policy-lab.ts";

const lab = new PolicyLab();
beforeAll(() => lab.up(), 120_000);
afterAll(() => lab.end());
beforeEach(() => lab.isolate());

/** Opens a TCP connection to a server of its own, and returns both of its ends. */
async function connect(from: string, port: number): Promise<{ client: net.Socket; server: net.Socket }> {
  const ip = await lab.ipOf("server");
  const listener = net.createServer();
  listener.listen({ fd: (await lab.kernelOf("server")).sockets.listenTcp(ip, port) });
  const accepted = once(listener, "connection") as Promise<[net.Socket]>;
  const fd = (await lab.kernelOf(from)).sockets.connectTcp(ip, port);
  const client = new net.Socket({ fd, readable: true, writable: true });
  const [server] = await accepted;
  listener.close();
  return { client, server };
}

async function echo(client: net.Socket, server: net.Socket): Promise<string> {
  client.write("ping");
  const [data] = (await once(server, "data")) as [Buffer];
  return data.toString();
}

describe("agents that are killed", () => {
  it("leave every verdict as it is, plug in nobody, and lose no packet when they start again", async () => {
    const before = await lab.table("node1");
    const agents = await lab.agents();
    expect([...agents.keys()].toSorted()).toEqual(["node1", "node2"]);
    // A kernel that answers: this connection stays established through the restart.
    const { client, server } = await connect("friend", 7001);
    const allowed = await lab.flow("friend", "server", 10_000);
    const refused = await lab.flow("stranger", "server", 10_000);
    let running = true;
    const traffic = (async () => {
      while (running && allowed.sent < 50_000) {
        allowed.send();
        refused.send();
        await sleep(1);
      }
    })();
    await sleep(100);
    for (const pid of agents.values()) process.kill(pid, "SIGKILL");
    const store = openSqliteStore(lab.commands.entry().paths.store);
    const draft = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "late", namespace: "default" },
    } as const;
    await store.create(podKind, { ...draft, spec: { nodeName: "node1", containers: [{ name: "c" }] } });
    await sleep(200);
    const late = await store.get(podKind, "late", "default");
    const meanwhile = await lab.agents();
    await store.close();
    const duringDeath = { address: late?.status?.podIP, agents: meanwhile.size };
    await lab.commands.ask("wait", "--for", "ready", "pod/late");
    await until("both agents are back", async () => (await lab.agents()).size === 2);
    await until("the late pod is served", () => lab.arrives("late", "neighbour"));
    await sleep(200);
    running = false;
    await traffic;
    await sleep(100);
    expect(duringDeath).toEqual({ address: undefined, agents: 0 });
    expect(allowed.sent).toBeGreaterThan(300);
    expect(allowed.arrived.size).toBe(allowed.sent);
    expect(refused.arrived.size).toBe(0);
    expect(await echo(client, server)).toBe("ping");
    for (const one of [allowed, refused]) one.stop();
    for (const socket of [client, server]) socket.destroy();
    await lab.commands.ask("delete", "pod", "late");
    await until("the table is as before", async () => (await lab.table("node1")) === before);
  });
});

describe("a table that is deleted while its agent is dead", () => {
  it("is put back by the next agent, and what came in meanwhile is cut", async () => {
    const before = await lab.table("node1");
    process.kill((await lab.agents()).get("node1") ?? 0, "SIGKILL");
    await run("nft", ["delete table inet trunkline"], { netns: { name: await lab.netnsOf("node1") } });
    const { client, server } = await connect("stranger", 7005);
    expect(await echo(client, server)).toBe("ping");
    const told = once(server, "error").then(([error]) => (error as NodeJS.ErrnoException).code);
    client.on("error", () => {});
    await until("the table is back", async () => (await lab.table("node1")) === before);
    await until("the agent is ready", () => lab.arrives("friend", "server"));
    for (const socket of [client, server]) socket.write("still there?");
    expect(await told).toBe("ECONNRESET");
    expect(await lab.arrives("stranger", "server")).toBe(false);
    for (const socket of [client, server]) socket.destroy();
  });
});

describe("new pods", () => {
  const pods = (app: string) =>
    Array.from({ length: 10 }, (_, at) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `${app}-${at}`, labels: { app } },
      spec: {
        nodeName: "node1",
        containers: [{ name: "c", ports: [{ containerPort: 81, protocol: "UDP" }] }],
      },
    }));

  /** Has `stranger` send to every address of the server's block while pods start; returns how many addresses answer. */
  async function answering(app: string, wanted: number): Promise<number> {
    const [sender, own] = [await lab.kernelOf("stranger"), await lab.ipOf("stranger")];
    const block = cidrOf(parseIp(await lab.ipOf("server")), 26);
    const addresses = Array.from({ length: 64 }, (_, at) =>
      formatIp({ family: 4, value: block.base + BigInt(at) }),
    );
    const answered = new Set<string>();
    const raw = sender.sockets.openRaw(4, 17);
    const listening = sender.sockets.receiveRaw(raw, (_, from) => answered.add(from));
    let running = true;
    const traffic = (async () => {
      // Always the same port: more connections than these would fill the table that follows them.
      const packets = addresses.map((to) => ({
        to,
        bytes: firstPacket({ protocol: "UDP", from: own, to, port: 81, sourcePort: 10_000 }),
      }));
      while (running) {
        for (const { to, bytes } of packets) sender.sockets.sendRaw(raw, to, bytes);
        await sleep(2);
      }
    })();
    const items = pods(app);
    const file = lab.file(`${app}.json`, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await lab.commands.ask("apply", "-f", file);
    await lab.commands.ask("wait", "--for", "ready", "--all");
    for (let left = 20; left > 0 && answered.size !== wanted; left--) await sleep(100);
    await sleep(100);
    running = false;
    await traffic;
    listening.stop();
    sender.sockets.close(raw);
    await lab.commands.ask("delete", "-f", file);
    return answered.size;
  }

  it("are shut from their first packet on, where a policy isolates them", async () => {
    await lab.apply(
      "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: shut}, spec: {podSelector: {matchLabels: {app: shut}}}}",
    );
    // Had nothing been sent to them in time, those that nobody isolates would not answer either.
    expect([await answering("shut", 0), await answering("open", 10)]).toEqual([0, 10]);
    await lab.commands.ask("delete", "networkpolicy", "shut");
  });
});

describe("a change of policies", () => {
  it("cuts the connections that it forbids, and leaves the others alone", async () => {
    await lab.open();
    const cut = await connect("stranger", 7002);
    const kept = await connect("friend", 7003);
    expect(await echo(cut.client, cut.server)).toBe("ping");
    const ends = [cut.client, cut.server];
    const told = ends.map((socket) =>
      once(socket, "error").then(([error]) => (error as NodeJS.ErrnoException).code),
    );
    await lab.isolate();
    // More than once: what an agent that is late lets through is answered by nobody.
    const asking = setInterval(() => {
      for (const socket of ends) if (!socket.destroyed) socket.write("still there?");
    }, 100);
    expect(await Promise.all(told)).toEqual(["ECONNRESET", "ECONNRESET"]);
    clearInterval(asking);
    expect(await echo(kept.client, kept.server)).toBe("ping");
    for (const socket of [kept.client, kept.server]) socket.destroy();
  });
});

describe("what others do to the table", () => {
  it.each([
    ["flush table inet trunkline"],
    ["delete table inet trunkline"],
    ["flush chain inet trunkline policy-ingress"],
    ["flush map inet trunkline policy-to4"],
    ["insert rule inet trunkline policy-ingress accept"],
    ["insert rule inet trunkline pod-source accept"],
    ["flush ruleset"],
  ])("is undone: %s", async (harm) => {
    const before = await lab.table("node1");
    await run("nft", [harm], { netns: { name: await lab.netnsOf("node1") } });
    await until("the table is back", async () => (await lab.table("node1")) === before);
    expect([await lab.arrives("friend", "server"), await lab.arrives("stranger", "server")]).toEqual([
      true,
      false,
    ]);
  });
});

describe("policies that were stored past all validation", () => {
  const broken: Readonly<Record<string, unknown>> = {
    "bad-range": { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: "0.0.0.0/99" } }] }] },
    "bad-hole": { ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: "10.1.0.0/16" } }] }] },
    "bad-peers": { ingress: [{ from: "everybody" }] },
    "bad-port": { podSelector: {}, ingress: [{ ports: [null, { port: 0 }] }] },
    "bad-rule": { podSelector: null, policyTypes: null, ingress: [null] },
    "bad-selector": { podSelector: { matchExpressions: {} }, ingress: [{}] },
    "bad-label": { podSelector: { matchLabels: { app: 7 } }, policyTypes: ["Ingress"], ingress: [{}] },
  };

  async function store(specs: typeof broken): Promise<{ remove(): Promise<void> }> {
    const objects = openSqliteStore(lab.commands.entry().paths.store);
    for (const [name, spec] of Object.entries(specs)) {
      const metadata = { name, namespace: "default" };
      const { apiVersion, kind } = networkPolicyKind;
      const draft = { apiVersion, kind: kind as "NetworkPolicy", metadata };
      await objects.create(networkPolicyKind, { ...draft, spec: spec as NetworkPolicy["spec"] });
    }
    return {
      async remove() {
        for (const name of Object.keys(specs)) await objects.delete(networkPolicyKind, name, "default");
        await objects.close();
      },
    };
  }

  it.each(Object.entries(broken))("isolates the open and opens nobody: %s", async (name, spec) => {
    const stored = await store({ [name]: spec });
    await until("it is in force", async () => !(await lab.arrives("stranger", "neighbour")));
    const arrived = [await lab.arrives("friend", "server"), await lab.arrives("stranger", "server")];
    await stored.remove();
    await until("it is gone", () => lab.arrives("stranger", "neighbour"));
    expect(arrived).toEqual([true, false]);
  });

  it("isolates both ways where nothing can be read", async () => {
    const stored = await store({ "bad-types": { policyTypes: ["all"], ingress: [{}], egress: [{}] } });
    await until("it is in force", async () => !(await lab.arrives("friend", "server")));
    await stored.remove();
    const whole = await store({ "bad-whole": "let all in" });
    await until("it is in force", async () => !(await lab.arrives("server", "neighbour")));
    expect(await lab.arrives("friend", "server")).toBe(false);
    await whole.remove();
    await until("it is gone", () => lab.arrives("friend", "server"));
  });

  it("all of it is judged and reported as it is enforced", async () => {
    const stored = await store(broken);
    await until("all are in force", async () => !(await lab.arrives("stranger", "neighbour")));
    const { probed, planned } = await bothMatrices(lab.commands);
    expect(verdicts(planned)).toEqual(verdicts(probed));
    const doctor = await lab.commands.say("doctor", "--lab", lab.commands.lab);
    expect(doctor.code).toBe(1);
    const events = await lab.commands.ask("get", "events");
    for (const name of Object.keys(broken)) {
      expect(doctor.stdout).toContain(`NetworkPolicy/default/${name}`);
      const told = await lab.commands.ask("describe", "networkpolicy", name);
      expect(told).toContain("Invalid:");
      expect(told).toMatch(/Warning +InvalidPolicy/);
      expect(events).toContain(name);
    }
    await stored.remove();
    await until("all are gone", () => lab.arrives("stranger", "neighbour"));
  });
});

describe("the switch", () => {
  const eniConfig = (disabled: string) =>
    lab.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: eni-config, namespace: kube-system}
data: {eni_conf: '{"version": "1", "disable_network_policy": "${disabled}"}'}
`);

  it("turns policies off and on again, without a restart and without leftovers", async () => {
    const before = await lab.table("node1");
    const agents = await lab.agents();
    await eniConfig("true");
    await until("the server is open", () => lab.arrives("stranger", "server"));
    expect(await lab.table("node1")).not.toMatch(/(chain|set|map) policy-/);
    await eniConfig("false");
    await until("the server is isolated", async () => !(await lab.arrives("stranger", "server")));
    expect(await lab.table("node1")).toBe(before);
    expect(await lab.agents()).toEqual(agents);
  });
});

describe("pods that are not what they seem", () => {
  it("cannot send from another address", async () => {
    const stranger = { netns: { name: await lab.netnsOf("stranger") } };
    const friend = await lab.ipOf("friend");
    const way = ["via", "169.254.1.1", "dev", "eth0", "onlink"];
    const receiver = await lab.kernelOf("neighbour");
    const sources = new Set<string>();
    const raw = receiver.sockets.openRaw(4, 17);
    const listening = receiver.sockets.receiveRaw(raw, (_, source) => sources.add(source));
    const neighbour = await lab.ipOf("neighbour");
    const route = `${neighbour}/32`;
    const flow = await lab.flow("stranger", "neighbour", 30_000);
    flow.send();
    await run("ip", ["address", "add", `${friend}/32`, "dev", "eth0"], stranger);
    await run("ip", ["route", "add", route, ...way, "src", friend], stranger);
    for (let count = 0; count < 5; count++) flow.send();
    await sleep(100);
    await run("ip", ["route", "delete", route], stranger);
    await run("ip", ["address", "delete", `${friend}/32`, "dev", "eth0"], stranger);
    flow.send();
    await until("the honest packets arrive", async () => flow.arrived.size === 2);
    expect([...sources]).toEqual([await lab.ipOf("stranger")]);
    listening.stop();
    receiver.sockets.close(raw);
    flow.stop();
  });

  it("pass nothing through an interface that nobody knows", async () => {
    const name = `tlx-${process.pid}`;
    const address = "10.1.255.9";
    const node = { netns: { name: await lab.netnsOf("node1") } };
    lab.machine.createNetns(name);
    try {
      const inside = { netns: { name } };
      await run("ip", ["link", "add", "guest0", "type", "veth", "peer", "name", "eth0", "netns", name], node);
      await run("ip", ["address", "add", `${address}/31`, "dev", "eth0"], inside);
      await run("ip", ["link", "set", "eth0", "up"], inside);
      await run("ip", ["route", "add", "default", "via", "10.1.255.8"], inside);
      const plug = async (link: string) => {
        await run("ip", ["link", "set", link, "up"], node);
        await run("ip", ["address", "replace", "10.1.255.8/31", "dev", link], node);
      };
      const kernel = lab.machine.open({ name });
      const ping = async (target: string, from = kernel) =>
        (await probe({ kernel: from, to: target, protocol: "ICMP", timeoutMs: 700 })).reachable;
      const targets = [await lab.ipOf("neighbour"), "192.168.18.11"];
      const pingAll = () => Promise.all(targets.map((target) => ping(target)));
      await plug("guest0");
      // A link that has just come up may still look for its neighbour.
      await expect.poll(pingAll, { timeout: 10_000 }).toEqual([true, true]);
      const rename = async (link: string, to: string) => {
        await run("ip", ["link", "set", link, "down"], node);
        await run("ip", ["link", "set", link, "name", to], node);
        await plug(to);
      };
      // A name alone makes nobody's link a pod's.
      await rename("guest0", "tlvpn0");
      await expect.poll(pingAll, { timeout: 10_000 }).toEqual([true, true]);
      expect(await ping(address, await lab.kernelOf("node1"))).toBe(true);
      // The group does: it is what a link of ours has from its first moment on, before any agent has told the rules.
      await rename("tlvpn0", "tl00000000000ff");
      await run("ip", ["link", "set", "tl00000000000ff", "group", `${POD_LINK_GROUP}`], node);
      expect(await pingAll()).toEqual([false, false]);
      expect(await ping(address, await lab.kernelOf("node1"))).toBe(false);
      await run("ip", ["link", "set", "tl00000000000ff", "group", "0"], node);
      await expect.poll(pingAll, { timeout: 10_000 }).toEqual([true, true]);
      kernel.close();
    } finally {
      await lab.machine.removeNetns(name);
    }
  });

  it.each(["Succeeded", "Failed"])("leave every set when they are %s", async (phase) => {
    const name = `job-${phase.toLowerCase()}`;
    await lab.apply(
      `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: friend}},
        spec: {nodeName: node2, containers: [{name: c}]}}`,
    );
    await lab.commands.ask("wait", "--for", "ready", `pod/${name}`);
    await until("it is let in", () => lab.arrives(name, "server"));
    const ip = await lab.ipOf(name);
    expect(await lab.table("node1")).toContain(ip);
    const store = openSqliteStore(lab.commands.entry().paths.store);
    const pod = await store.get(podKind, name, "default");
    if (!pod) throw new Error(`${name} is gone`);
    await store.update(podKind, { ...pod, status: { ...pod.status, phase: phase as "Failed" } });
    await store.close();
    for (const node of ["node1", "node2"])
      await until(`${node} forgets it`, async () => !(await lab.table(node)).includes(ip));
    await lab.commands.ask("delete", "pod", name);
  });
});
