import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PodENI } from "../../../api/kinds/pod-eni.ts";
import type { TrunklineError } from "../../../base/errors.ts";
import { silent } from "../../../base/log.ts";
import type { CloudProvider } from "../../../cloud/provider.ts";
import { FakeMachine } from "../../../kernel/fake/machine.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { emptyFacts, type NodeFacts } from "../../../plan/facts.ts";
import { podEni, subnetsOf } from "../../../plan/subnets/pod-enis.suite.ts";
import { InterfaceManager } from "../interface-manager.ts";
import type { ControllerState } from "./controller-watch.ts";
import { OwnWires } from "./own-wires.ts";

const mac = "00:16:3e:00:00:01";
const trunkMac = "00:16:3e:00:00:99";
const holder = { key: "c1/eth0", pod: "default/p", uid: "u" };
const none: NodeFacts = { node: "a", addresses: [], uplink: "eth0", endpoints: new Map() };
const provider = {
  describeInterfaces: async () => [{ id: "eni-trunk", mac: trunkMac }],
} as unknown as CloudProvider;

describe("pods' own interfaces on a node", () => {
  let folder = "";
  let kernel: Kernel;
  let machine: FakeMachine;
  const podEnis = new Map<string, PodENI>();
  const facts = { ...emptyFacts(), podEnis, subnets: subnetsOf({ "vsw-1": "10.2.1.0/24" }) };
  let wires: OwnWires;
  let membersShareMac = false;
  let controller: ControllerState = { is: "unknown" };
  let manager: InterfaceManager;
  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "own-wires-"));
    machine = new FakeMachine();
    machine.createNetns("a");
    kernel = machine.open({ name: "a" });
    podEnis.clear();
    membersShareMac = false;
    controller = { is: "unknown" };
    await start();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function start(): Promise<void> {
    const node = wires;
    node?.stop();
    manager = new InterfaceManager({
      kernel,
      logger: silent,
      interfaces: () => new Map<string, never>(),
      own: () => wires.book.wires,
    });
    wires = new OwnWires({
      kernel,
      facts,
      logger: silent,
      stateDir: folder,
      provider,
      instanceID: () => "i-a",
      membersShareMac,
      controller: async () => controller,
      changed: () => manager.touch(),
    });
    await manager.apply(facts, none, new Map());
  }
  const plug = (name: string, address: string) => kernel.links.add({ kind: "dummy", name, mac: address });
  const give = (one: PodENI) => {
    podEnis.set("default/p", one);
    wires.look();
  };
  const rules = () => kernel.rules.list(4).filter(({ protocol }) => protocol === 84);
  const tables = () => rules().flatMap(({ from, table }) => (from === undefined ? [] : [`${from} ${table}`]));
  const gateways = () =>
    tables().flatMap((rule) =>
      kernel.routes
        .list({ table: Number(rule.split(" ")[1]) })
        .filter(({ type }) => type === "unicast")
        .map(({ via, linkIndex }) => `${via} ${kernel.links.get(linkIndex ?? 0)?.name}`),
    );
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => "done",
      (error: { code: string }) => error.code,
    );

  it("waits for the PodENI; then what the pod sends leaves by its interface alone", async () => {
    plug("eth3", mac);
    const asked = wires.allocate(holder);
    await pause(5);
    give(podEni("Secondary", { phase: "Binding" }));
    await pause(5);
    expect(tables()).toEqual([]);
    give(podEni("Secondary"));
    expect(await asked).toBe("10.2.1.7");
    expect(tables()).toEqual(["10.2.1.7/32 8999"]);
    expect(gateways()).toEqual(["10.2.1.253 eth3"]);
    expect(kernel.links.get("eth3")?.up).toBe(true);
    // Without its link it is led nowhere else.
    kernel.links.change("eth3", { up: false });
    expect(kernel.routes.list({ table: 8999 }).map(({ type }) => type)).toEqual(["unreachable"]);
    await manager.resync(facts, none);
    expect(gateways()).toEqual(["10.2.1.253 eth3"]);
    // Asked again, it is the same one.
    expect(await wires.allocate(holder)).toBe("10.2.1.7");
    await wires.release(holder.key);
    expect(rules()).toEqual([]);
    expect(kernel.links.get("eth3")?.up).toBe(false);
    await wires.release(holder.key);
  });

  it("makes a member's VLAN on its trunk, and takes it away with the pod", async () => {
    plug("eth2", trunkMac);
    give(podEni("Member"));
    expect(await wires.allocate(holder)).toBe("10.2.1.7");
    const vlan = kernel.links.get("tlv12");
    expect(vlan).toMatchObject({ kind: "vlan", mac, up: true, lower: kernel.links.get("eth2")?.index });
    expect(gateways()).toEqual(["10.2.1.253 tlv12"]);
    await wires.release(holder.key);
    expect(kernel.links.get("tlv12")).toBeUndefined();
    expect(kernel.links.get("eth2")).toBeDefined();
  });

  it("gives a member's VLAN the trunk's MAC where the provider has it so", async () => {
    membersShareMac = true;
    await start();
    plug("eth2", trunkMac);
    give(podEni("Member"));
    await wires.allocate(holder);
    expect(kernel.links.get("tlv12")?.mac).toBe(trunkMac);
    expect(gateways()).toEqual(["10.2.1.253 tlv12"]);
  });

  it("takes a member's own link where the machine has one, and no VLAN", async () => {
    plug("eth2", trunkMac);
    plug("eth4", mac);
    give(podEni("Member"));
    await wires.allocate(holder);
    expect(gateways()).toEqual(["10.2.1.253 eth4"]);
    expect(kernel.links.list().filter(({ kind }) => kind === "vlan")).toEqual([]);
  });

  it("starts no pod without a link, nor on the machine's own", async () => {
    give(podEni("Secondary"));
    expect(await codeOf(wires.allocate(holder))).toBe("subnet.interface");
    const own = plug("eth0", mac);
    kernel.addresses.add({ linkIndex: own.index, address: "192.168.20.11/24", scope: "global" });
    expect(await codeOf(wires.allocate(holder))).toBe("subnet.interface");
    expect([wires.book.wires.size, rules()]).toEqual([0, []]);
    // It stays up: it was never a pod's.
    kernel.links.change(own.index, { up: true });
    await wires.release(holder.key);
    expect(kernel.links.get("eth0")?.up).toBe(true);
  });

  it("never gives one pod's interface to another that still has it; a new sandbox of the same pod takes it over", async () => {
    plug("eth3", mac);
    give(podEni("Secondary"));
    await wires.allocate(holder);
    expect(await wires.allocate({ ...holder, key: "c2/eth0" })).toBe("10.2.1.7");
    expect([...wires.book.wires.keys()]).toEqual(["c2/eth0"]);
    const { metadata } = podEni("Secondary");
    podEnis.set("default/q", {
      ...podEni("Secondary"),
      metadata: { ...metadata, name: "q", annotations: { "k8s.aliyun.com/pod-uid": "v" } },
    });
    const other = { key: "c3/eth0", pod: "default/q", uid: "v" };
    expect(await codeOf(wires.allocate(other))).toBe("subnet.interface");
    await wires.release("c2/eth0");
    expect(await wires.allocate(other)).toBe("10.2.1.7");
  });

  it("leads pods' traffic after a restart before anything is known, and removes a VLAN that no pod has", async () => {
    plug("eth2", trunkMac);
    give(podEni("Member"));
    await wires.allocate(holder);
    const before = [tables(), gateways()];
    podEnis.clear();
    await start();
    expect([tables(), gateways()]).toEqual(before);
    await manager.resync(facts, none);
    expect(kernel.links.get("tlv12")).toBeDefined();
    // Killed after the entry was removed, and before the link was.
    wires.book.remove(holder.key);
    await start();
    await manager.resync(facts, none);
    expect(kernel.links.get("tlv12")).toBeUndefined();
    expect(rules()).toEqual([]);
  });

  it("takes a pod down while its disk takes nothing; the list follows with the next change", async () => {
    plug("eth3", mac);
    give(podEni("Secondary"));
    await wires.allocate(holder);
    const inTheWay = path.join(folder, "subnets/own-interfaces.json.new");
    mkdirSync(inTheWay);
    await wires.release(holder.key);
    expect([tables(), wires.book.wires.size]).toEqual([[], 0]);
    expect(kernel.links.get("eth3")?.up).toBe(false);
    // Nobody is told of an interface that a restart would forget.
    await expect(wires.allocate(holder)).rejects.toThrow("EISDIR");
    rmdirSync(inTheWay);
    await wires.release("c9/eth0");
    await start();
    expect(wires.book.wires.size).toBe(0);
  });

  it("takes up from PodENIs what its own list has lost", async () => {
    plug("eth3", mac);
    give(podEni("Secondary"));
    await wires.allocate(holder);
    writeFileSync(path.join(folder, "subnets/own-interfaces.json"), "[{]");
    await start();
    expect(tables()).toEqual([]);
    const endpoint = { pod: holder.pod, uid: holder.uid, interface: "tl1", ips: ["10.2.1.7"] };
    const node = { ...none, endpoints: new Map([[holder.key, endpoint]]) };
    wires.heal({ endpoints: new Map([["c9/eth0", { ...endpoint, uid: "another" }]]) });
    expect(wires.book.wires.size).toBe(0);
    wires.heal(node);
    await manager.apply(facts, node, new Map());
    expect(tables()).toEqual(["10.2.1.7/32 8999"]);
  });

  it("says who is to see to a PodENI that is not there, as far as the controller's Lease tells", async () => {
    const says: ControllerState[] = [
      { is: "unknown" },
      { is: "away", why: "nobody holds it" },
      { is: "acting", holder: "one" },
    ];
    const told = [];
    for (const state of says) {
      controller = state;
      await start();
      const asked = wires
        .allocate(holder)
        .catch((error: unknown) => (error as TrunklineError<"subnet.pod-eni">).data);
      // Who ends does not wait for longer.
      wires.stop();
      told.push(await asked);
    }
    expect(told).toMatchObject([
      { reason: "ControllerAway", lacks: "its PodENI, which the controller makes: is it running?" },
      {
        reason: "ControllerAway",
        lacks: "its PodENI, which the controller makes; the controller is away: nobody holds it",
      },
      {
        reason: "PodENINotReady",
        lacks: "its PodENI, which the controller makes; controller one acts, and has not come to it yet",
      },
    ]);
  });
});
