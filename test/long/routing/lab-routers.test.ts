// Routers of a lab that run BIRD and FRR, nodes that come and go, and the processes that a lab is made of.
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { processesWithEnvironment, signalProcess } from "../../../src/kernel/process.ts";
import { LAB_VARIABLE } from "../../../src/lab/life/clear-away.ts";
import { frrFolder } from "../../../src/lab/routers/folders.ts";
import { Commands, machineState } from "../../e2e/trunkline.ts";

const LAB = `
name: routers
networks:
  - {name: lan-a, cidr: 192.168.18.0/24}
  - {name: dc, cidr: 10.9.0.0/24}
  - {name: far, cidr: 10.8.0.0/24}
nodes:
  - {name: node1, address: 192.168.18.11, annotations: {projectcalico.org/ASNumber: "64513"}}
routers:
  - {name: r1, type: frr, addresses: [192.168.18.1, 10.9.0.1], as: 65001,
     peers: [{nodes: true, as: 64512}, {address: 10.9.0.2, as: 65002, password: s3cret}]}
  - {name: r2, type: bird, addresses: [10.9.0.2, 10.8.0.1], as: 65002,
     peers: [{range: 10.9.0.0/24, as: 65001, password: s3cret}], rip: {networks: [far]}}
  - {name: r3, type: frr, addresses: [10.8.0.3], config: r3.conf}
hosts:
  - {name: outside, address: 10.8.0.9, ports: [80]}
`;
const R3 = "router rip\n version 2\n timers basic 5 15 10\n network eth0\n route 10.77.0.0/16\nexit\n";

interface Processes {
  readonly processes: readonly {
    readonly name: string;
    readonly running: boolean;
    readonly pid: number | null;
  }[];
}

describe("a lab with routers", () => {
  const commands = new Commands();
  const { ask, json, say } = {
    ask: commands.ask.bind(commands),
    json: commands.json.bind(commands),
    say: commands.say.bind(commands),
  };
  const process = async (name: string) =>
    (await json<Processes>("lab", "process", "list")).processes.find((one) => one.name === name);
  const neighbours = async () => {
    const text = await ask("lab", "exec", "r1", "--", "vtysh", "-c", "show bgp summary json");
    const { peers } = (JSON.parse(text) as { ipv4Unicast: { peers: Record<string, { state: string }> } })
      .ipv4Unicast;
    return Object.fromEntries(Object.entries(peers).map(([address, { state }]) => [address, state]));
  };
  const routesOf = (member: string) => ask("lab", "exec", member, "--", "ip", "route");
  const eventually = { timeout: 30_000, interval: 100 };

  beforeAll(async () => {
    commands.file("r3.conf", R3);
    await commands.up(commands.file("lab.yaml", LAB));
  }, 60_000);
  afterAll(() => commands.end(), 60_000);

  it("passes on what each daemon hears: BGP with a password, RIP, and a file of its own", async () => {
    await expect
      .poll(() => routesOf("r1"), eventually)
      .toMatch(/10\.77\.0\.0\/16 .*via 10\.9\.0\.2 .*proto bgp/);
    await expect
      .poll(() => routesOf("r3"), eventually)
      .toMatch(/10\.9\.0\.0\/24 .*via 10\.8\.0\.1 .*proto rip/);
    expect(await ask("lab", "exec", "r2", "--", "birdc", "show", "route", "10.77.0.0/16")).toContain(
      "via 10.8.0.3",
    );
    // Nobody runs BIRD there, and this machine's own is none of the lab's business.
    expect(
      (await say("lab", "exec", "r1", "--lab", commands.lab, "--", "birdc", "show", "status")).code,
    ).toBe(1);
  }, 60_000);

  it("answers questions with what the routers have learned", async () => {
    await expect.poll(() => routesOf("r1"), eventually).toContain("10.8.0.0/24");
    const probe = await say("probe", "node/node1", "host/outside:80", "--lab", commands.lab, "-o", "json");
    const explained = await say(
      "explain",
      "node/node1",
      "host/outside:80",
      "--lab",
      commands.lab,
      "-o",
      "json",
    );
    // The way back from the host ends at r2, which knows nothing of the nodes' LAN.
    expect((JSON.parse(probe.stdout) as { reachable: boolean }).reachable).toBe(false);
    expect(explained.code).not.toBe(0);
    expect(explained.stdout).toContain("10.8.0.0/24");
  }, 60_000);

  it("starts again what was killed, and leaves away what was stopped", async () => {
    const first = await process("router/r1");
    expect(first).toMatchObject({ running: true });
    await ask("lab", "process", "kill", "router/r1");
    await expect
      .poll(async () => (await process("router/r1"))?.pid ?? first?.pid, eventually)
      .not.toBe(first?.pid);
    await expect.poll(async () => (await neighbours())["10.9.0.2"], eventually).toBe("Established");
    await ask("lab", "process", "stop", "router/r2");
    expect(await process("router/r2")).toEqual({ name: "router/r2", running: false, pid: null });
    await expect.poll(async () => (await neighbours())["10.9.0.2"], eventually).not.toBe("Established");
    await ask("lab", "process", "start", "router/r2");
    await expect.poll(async () => (await neighbours())["10.9.0.2"], eventually).toBe("Established");
    // An agent in the lab's own process cannot be killed; it ends, and comes back.
    await ask("lab", "process", "kill", "agent/node1");
    await expect.poll(async () => (await process("agent/node1"))?.running, eventually).toBe(true);
    await ask("wait", "--for", "ready", "node/node1");
    const wrong = await say("lab", "process", "kill", "router/r9", "--lab", commands.lab);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain("router/r1");
  }, 60_000);

  it("takes nodes in, renumbers them and lets them go, and the routers follow", async () => {
    await ask("lab", "node", "add", "node2", "--address", "192.168.18.12", "--labels", "disk=fast,zone=a");
    expect(Object.keys(await neighbours()).toSorted()).toEqual([
      "10.9.0.2",
      "192.168.18.11",
      "192.168.18.12",
    ]);
    const pod = commands.file(
      "pod.yaml",
      `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeSelector: {disk: fast}
  containers: [{name: web, image: web, ports: [{containerPort: 80}]}]
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pool}
spec: {cidr: 10.1.0.0/16}
`,
    );
    await ask("apply", "-f", pod);
    await ask("wait", "--for", "ready", "pod/web");
    const address = await ask("get", "pod", "web", "-o", "jsonpath={.status.podIP}");
    await ask("probe", "node/node1", "pod/web:80");

    await ask("lab", "node", "renumber", "node2", "192.168.18.99");
    expect(Object.keys(await neighbours()).toSorted()).toEqual([
      "10.9.0.2",
      "192.168.18.11",
      "192.168.18.99",
    ]);
    expect(await ask("get", "pod", "web", "-o", "jsonpath={.status.podIP}")).toBe(address);
    await expect.poll(() => routesOf("node1"), eventually).toContain("via 192.168.18.99");
    await ask("probe", "node/node1", "pod/web:80");
    await ask("probe", "pod/web", "node/node1");
    await expect
      .poll(() => ask("get", "pod", "web", "-o", "jsonpath={.status.hostIP}"), eventually)
      .toBe("192.168.18.99");

    await ask("lab", "node", "remove", "node2");
    expect(Object.keys(await neighbours()).toSorted()).toEqual(["10.9.0.2", "192.168.18.11"]);
    expect((await say("get", "node", "node2", "--lab", commands.lab)).code).toBe(1);
    await expect.poll(() => routesOf("node1"), eventually).not.toContain("192.168.18.99");
    await ask("lab", "node", "add", "node2", "--address", "192.168.18.12");
    await ask("wait", "--for", "ready", "node/node2");
    await ask("lab", "node", "remove", "node2");
    expect((await say("lab", "node", "renumber", "node1", "10.9.0.12", "--lab", commands.lab)).code).toBe(2);
  }, 90_000);

  it("refuses a daemon's wrong configuration in the daemon's words, before anything is made", async () => {
    const bird = LAB.replace(
      "type: frr, addresses: [10.8.0.3], config: r3",
      "type: bird, addresses: [10.8.0.3], config: bad",
    );
    commands.file("bad.conf", "router id 10.8.0.3;\nprotocol rip { neighbour }\n");
    const refused = await say("lab", "up", commands.file("bad-bird.yaml", bird), "-d", "--name", "never");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/router 'r3' cannot run with bad\.conf: .*bad\.conf:2:\d+ syntax error/);
    commands.file("r4.conf", "router bgp 65001\n neighbour 1.2.3.4 remote-as 3\n");
    const frr = await say(
      "lab",
      "up",
      commands.file("bad-frr.yaml", LAB.replace("r3.conf", "r4.conf")),
      "-d",
      "--name",
      "never",
    );
    expect(frr.code).toBe(2);
    expect(frr.stderr).toMatch(/r4\.conf: .*Unknown command.*neighbour 1\.2\.3\.4/);
  });
});

it("leaves nothing of routers behind when a lab's process is killed", async () => {
  const commands = new Commands();
  const before = machineState(commands.lab);
  try {
    commands.file("r3.conf", R3);
    await commands.up(commands.file("lab.yaml", LAB));
    const entry = commands.entry();
    const { processes } = await commands.json<Processes>("lab", "process", "list");
    expect(processes.flatMap(({ pid }) => pid ?? [])).toHaveLength(3);
    expect(existsSync(frrFolder(entry.paths))).toBe(true);
    signalProcess(entry.record.process, "SIGKILL");
    await commands.ask("lab", "down");
    expect(processesWithEnvironment(LAB_VARIABLE, entry.paths.folder)).toEqual([]);
    expect(existsSync(frrFolder(entry.paths))).toBe(false);
    expect(machineState(commands.lab)).toBe(before);
  } finally {
    await commands.end();
  }
}, 60_000);
