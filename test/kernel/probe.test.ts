// Probes and responders with real packets: what was answered, refused and filtered, and which source was seen.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ProbeQuery, probe } from "../../src/agent/probe/client.ts";
import { type Kernel, linuxMachine } from "../../src/kernel/index.ts";
import { parseLabFile } from "../../src/lab/file/load.ts";
import { Responder } from "../../src/lab/net/responder.ts";
import { admitOnly } from "../../src/lab/outside/admission.ts";
import { type BuiltTopology, buildTopology, namespacesOf } from "../../src/lab/topology/build.ts";
import { planTopology, type Topology } from "../../src/lab/topology/plan.ts";

const machine = linuxMachine();

describe("probes", () => {
  let topology: Topology;
  let built: BuiltTopology;
  const responders: Responder[] = [];

  beforeAll(async () => {
    const parsed = parseLabFile(
      `name: probe-${process.pid}
networks:
  - {name: near, cidrs: [192.168.18.0/24, "fd00:18::/64"]}
  - {name: far, cidrs: [10.9.0.0/24, "fd00:9::/64"]}
routers: [{name: gate, addresses: [192.168.18.1, "fd00:18::1", 10.9.0.1, "fd00:9::1"]}]
nodes: [{name: a, addresses: [192.168.18.11, "fd00:18::11"]}, {name: b, addresses: [192.168.18.12, "fd00:18::12"]}]
hosts: [{name: db, addresses: [10.9.0.9, "fd00:9::9"]}, {name: picky, address: 10.9.0.10}]`,
      "lab.yaml",
    );
    if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
    topology = planTopology(parsed.lab);
    built = await buildTopology(machine, topology);
    const ports = (["TCP", "UDP", "SCTP"] as const).map((protocol) => ({ port: 80, protocol }));
    for (const name of ["db", "picky"]) {
      const { kernel, plan } = built.members.get(name)!;
      const addresses = plan.interfaces.flatMap((link) => link.addresses.map((one) => one.split("/")[0]!));
      const onError = (error: unknown): void => {
        throw error;
      };
      responders.push(new Responder({ kernel, ports, addresses, onError }).start());
    }
    await admitOnly(kernelOf("picky"), ["192.168.18.11/32"]);
    const filter =
      "table inet t { chain c { type filter hook forward priority 0; th dport 99 drop; th dport 98 reject; }; }";
    await kernelOf("gate").nft.run(filter);
  });
  afterAll(async () => {
    for (const responder of responders) await responder.stop();
    built.close();
    for (const name of namespacesOf(topology)) await machine.removeNetns(name);
  });

  const kernelOf = (name: string): Kernel => built.members.get(name)!.kernel;
  const ask = (from: string, to: string, protocol: ProbeQuery["protocol"], port = 80) =>
    probe({ kernel: kernelOf(from), to, port, protocol, timeoutMs: 400 });

  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    it(`tell what became of ${protocol}, and who was seen`, async () => {
      expect(await ask("a", "10.9.0.9", protocol)).toMatchObject({
        reachable: true,
        sourceSeen: "192.168.18.11",
      });
      expect(await ask("a", "fd00:9::9", protocol)).toMatchObject({
        reachable: true,
        sourceSeen: "fd00:18::11",
      });
      expect(await ask("db", "10.9.0.9", protocol)).toMatchObject({
        reachable: true,
        sourceSeen: "10.9.0.9",
      });
      expect(await ask("a", "10.9.0.9", protocol, 81)).toMatchObject({
        reachable: false,
        outcome: "refused",
      });
      expect(await ask("a", "192.168.18.12", protocol)).toMatchObject({
        reachable: false,
        outcome: "refused",
      });
      expect(await ask("a", "10.9.0.9", protocol, 99)).toMatchObject({
        reachable: false,
        outcome: "filtered",
      });
      expect(await ask("a", "fd00:9::9", protocol, 99)).toMatchObject({
        reachable: false,
        outcome: "filtered",
      });
    });

    it(`are admitted or refused by ${protocol} as a host's list says`, async () => {
      expect(await ask("a", "10.9.0.10", protocol)).toMatchObject({ reachable: true });
      expect(await ask("b", "10.9.0.10", protocol)).toMatchObject({ reachable: false, outcome: "refused" });
    });
  }

  it("find each of several SCTP listeners in one namespace, and nobody on a port of none", async () => {
    const sctpPorts = new Set<number>();
    const taken: number[] = [];
    const add = (...ports: number[]): Responder =>
      new Responder({
        kernel: kernelOf("b"),
        addresses: ["192.168.18.12"],
        ports: ports.map((port) => ({ port, protocol: "SCTP" })),
        sctpPorts,
        onError: (_error, { port }) => taken.push(port),
      }).start();
    const [one, other] = [add(80), add(81, 80)];
    try {
      expect(taken).toEqual([80]);
      for (const port of [80, 81])
        for (let round = 0; round < 5; round++)
          expect(await ask("a", "192.168.18.12", "SCTP", port)).toMatchObject({ reachable: true });
      expect(await ask("a", "192.168.18.12", "SCTP", 82)).toMatchObject({ outcome: "refused" });
      await one.stop();
      expect(await ask("a", "192.168.18.12", "SCTP", 80)).toMatchObject({ outcome: "refused" });
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
  });

  it("echo by ICMP, of both families", async () => {
    expect(await ask("a", "10.9.0.9", "ICMP")).toMatchObject({ reachable: true, sourceSeen: null });
    expect(await ask("a", "fd00:9::9", "ICMP")).toMatchObject({ reachable: true });
    expect(await ask("a", "10.9.0.77", "ICMP")).toMatchObject({ reachable: false });
    expect(await ask("db", "fd00:77::1", "ICMP")).toMatchObject({ reachable: false, outcome: "unreachable" });
  });

  it("leave no descriptor open", async () => {
    const { readdirSync } = await import("node:fs");
    const open = (): number => readdirSync("/proc/self/fd").length;
    await Promise.all((["TCP", "UDP", "SCTP"] as const).map((protocol) => ask("a", "10.9.0.9", protocol)));
    await expect.poll(open).toBeLessThan(500);
    const before = open();
    for (let round = 0; round < 20; round++) {
      await Promise.all((["TCP", "UDP", "SCTP"] as const).map((protocol) => ask("a", "10.9.0.9", protocol)));
    }
    await expect.poll(open).toBeLessThanOrEqual(before + 2);
  });
});
