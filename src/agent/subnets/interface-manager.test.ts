import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Condition } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { silent } from "../../base/log.ts";
import { fakeMachine, type Kernel } from "../../kernel/index.ts";
import { emptyFacts, type NodeFacts } from "../../plan/facts.ts";
import { subnetRulePriorities } from "../../plan/subnets/interface-routes.ts";
import { InterfaceManager } from "./interface-manager.ts";
import type { OwnInterface } from "./pool/pool-book.ts";

const interfaces = new Map<string, OwnInterface>();
const pools = new Map<string, IPPool>();
const facts = { ...emptyFacts(), pools };
const eni = (slot: number, ...addresses: string[]): OwnInterface => ({
  id: `eni-${slot}`,
  mac: `00:16:3e:00:00:0${slot}`,
  vSwitchID: "vsw-1",
  cidr: "10.2.1.0/24",
  gateway: "10.2.1.253",
  securityGroupIDs: [],
  hash: "h",
  slot,
  addresses,
});
const nodeWith = (...ips: string[]): NodeFacts => ({
  node: "a",
  addresses: [],
  uplink: "eth0",
  endpoints: new Map(ips.map((ip) => [ip, { pod: `x/${ip}`, uid: ip, interface: "tl1", ips: [ip] }])),
});

describe("a node's interfaces", () => {
  let kernel: Kernel;
  let manager: InterfaceManager;
  let told: Pick<Condition, "status" | "reason" | "message">[];
  beforeEach(async () => {
    const machine = fakeMachine();
    machine.createNetns("a");
    kernel = machine.open({ name: "a" });
    interfaces.clear();
    pools.clear();
    for (const one of [eni(1, "10.2.1.1"), eni(2, "10.2.1.2", "10.2.1.3")]) {
      kernel.links.add({ kind: "dummy", name: `eth${one.slot}`, mac: one.mac, up: true });
      interfaces.set(one.id, one);
    }
    const own = new Map<string, never>();
    told = [];
    kernel.sysctl.set("net/ipv4/conf/all/rp_filter", "0");
    manager = new InterfaceManager({
      kernel,
      logger: silent,
      interfaces: () => interfaces,
      own: () => own,
      tell: (condition) => told.push(condition),
    });
    await manager.apply(facts, nodeWith(), new Map());
  });
  const apply = (...ips: string[]) => manager.apply(facts, nodeWith(...ips), new Map());
  const ofPods = () =>
    kernel.rules
      .list(4)
      .flatMap(({ priority, from, table }) =>
        priority === subnetRulePriorities.pod ? [`${from} ${table}`] : [],
      );
  const ways = () =>
    [8501, 8502, 8503].flatMap((table) =>
      kernel.routes
        .list({ table })
        .flatMap(({ via, linkIndex }) =>
          via === undefined ? [] : [`${table} ${via} ${kernel.links.get(linkIndex ?? 0)?.name}`],
        ),
    );

  it("ask the kernel for nothing but the rule of the pod that came or went", async () => {
    const asked = [
      vi.spyOn(kernel.links, "list"),
      vi.spyOn(kernel.rules, "list"),
      vi.spyOn(kernel.routes, "list"),
      vi.spyOn(kernel.sysctl, "get"),
    ];
    await apply("10.2.1.1", "10.2.1.2");
    await apply("10.2.1.1", "10.2.1.3");
    await apply("10.2.1.3");
    for (const one of asked) expect(one).not.toHaveBeenCalled();
    for (const one of asked) one.mockRestore();
    expect(ofPods()).toEqual(["10.2.1.3/32 8502"]);
  });

  it("are looked for again when they change, while one is missing, and when something has happened to links", async () => {
    expect(ways()).toEqual(["8501 10.2.1.253 eth1", "8502 10.2.1.253 eth2"]);
    interfaces.set("eni-3", eni(3, "10.2.1.4"));
    await apply();
    expect(manager.problems()).toMatchObject([{ code: "interfaces.missing" }]);
    kernel.links.add({ kind: "dummy", name: "eth3", mac: eni(3).mac });
    await apply();
    expect(manager.problems()).toEqual([]);
    expect(ways()).toContain("8503 10.2.1.253 eth3");
    await kernel.links.remove(kernel.links.get("eth2")?.index ?? 0);
    kernel.links.add({ kind: "dummy", name: "other", mac: eni(2).mac });
    await manager.resync(facts, nodeWith());
    expect(ways()).toContain("8502 10.2.1.253 other");
  });

  it("have their rules again that somebody took away, and lose those that somebody has left", async () => {
    await apply("10.2.1.2");
    const [rule] = kernel.rules.list(4).filter(({ priority }) => priority === subnetRulePriorities.pod);
    kernel.rules.remove(rule!);
    kernel.rules.add({ ...rule!, from: "10.2.1.77/32" });
    await manager.resync(facts, nodeWith("10.2.1.2"));
    expect(ofPods()).toEqual(["10.2.1.2/32 8502"]);
  });

  it("say that the machine's filter for all links drops what comes by them, and when that is over", async () => {
    const filter = "net/ipv4/conf/all/rp_filter";
    kernel.sysctl.set(filter, "2");
    await manager.resync(facts, nodeWith());
    expect(told.map(({ status, reason }) => `${status} ${reason}`)).toEqual([
      "True ReversePathOff",
      "True NoPools",
    ]);
    pools.set("p", { spec: { cidr: "10.1.0.0/16" } } as IPPool);
    await manager.resync(facts, nodeWith());
    await manager.resync(facts, nodeWith());
    expect(told.slice(2)).toMatchObject([
      { status: "False", reason: "ReversePathFilter", message: expect.stringContaining("sysctl -w") },
    ]);
    expect(manager.problems()).toMatchObject([{ code: "interfaces.reverse-path" }]);
    kernel.sysctl.set(filter, "0");
    await manager.resync(facts, nodeWith());
    expect(told.at(-1)?.status).toBe("True");
    expect(manager.problems()).toEqual([]);
  });

  it("compare with the kernel after a change that failed", async () => {
    const add = vi.spyOn(kernel.rules, "add").mockImplementationOnce(() => {
      throw new Error("no");
    });
    await expect(apply("10.2.1.2", "10.2.1.3")).rejects.toThrow("no");
    add.mockRestore();
    await apply("10.2.1.2", "10.2.1.3");
    expect(ofPods().toSorted()).toEqual(["10.2.1.2/32 8502", "10.2.1.3/32 8502"]);
  });

  it("that change while the kernel refuses stop nobody who tells of it, and are followed with the next change", async () => {
    const get = vi.spyOn(kernel.sysctl, "get").mockImplementationOnce(() => {
      throw new Error("the link has just gone");
    });
    kernel.links.add({ kind: "dummy", name: "eth3", mac: eni(3).mac });
    interfaces.set("eni-3", eni(3, "10.2.1.4"));
    manager.touch();
    get.mockRestore();
    expect(ways()).not.toContain("8503 10.2.1.253 eth3");
    await manager.apply(facts, nodeWith("10.2.1.4"), new Map([["pods", "all"]]));
    expect(ways()).toContain("8503 10.2.1.253 eth3");
    expect(ofPods()).toEqual(["10.2.1.4/32 8503"]);
  });
});
