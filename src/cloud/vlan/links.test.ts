import { beforeEach, describe, expect, it } from "vitest";
import type { Node } from "../../api/kinds/core.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { fakeMachine, type Kernel } from "../../kernel/index.ts";
import { VlanLinks } from "./links.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const subnet = (name: string, spec: Partial<Subnet["spec"]> = {}): Subnet => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Subnet",
  metadata: meta(name),
  spec: { zone: "h", cidr: "10.8.0.0/24", ...spec },
});
const eni = (id: string, vSwitchID: string, ...addresses: string[]) => ({
  id,
  mac: `02:00:00:00:00:0${id.length}`,
  vSwitchID,
  addresses,
});

describe("links of provider vlan", () => {
  let kernel: Kernel;
  let subnets: Map<string, Subnet>;
  const node: Node = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { ...meta("n1"), labels: { rack: "a" } },
    status: { addresses: [{ type: "InternalIP", address: "192.168.1.1" }] },
  };
  let links: VlanLinks;
  beforeEach(() => {
    const machine = fakeMachine();
    machine.createNetns("n");
    kernel = machine.open({ name: "n" });
    const own = kernel.links.add({ kind: "dummy", name: "up0", up: true });
    kernel.addresses.add({ linkIndex: own.index, address: "192.168.1.1/24", scope: "global" });
    kernel.links.add({ kind: "dummy", name: "up1", up: true });
    subnets = new Map();
    links = new VlanLinks({ subnets, node: () => node });
  });
  const linkOf = (id: string) =>
    kernel.links.list().find(({ alias }) => alias === `trunkline interface ${id}`);
  const belowOf = (id: string) => kernel.links.get(linkOf(id)?.lower ?? 0);

  it("are on the VLAN of their subnet, on the link with the node's address", () => {
    subnets.set("s", subnet("s", { vlan: 101 }));
    expect(links.sync(kernel, [eni("a", "s"), eni("bb", "s")])).toEqual([]);
    expect(linkOf("a")).toMatchObject({ kind: "macvlan", mac: "02:00:00:00:00:01", up: true });
    expect(belowOf("a")).toMatchObject({ kind: "vlan", up: true, lower: kernel.links.get("up0")?.index });
    expect(belowOf("bb")).toEqual(belowOf("a"));
    const before = kernel.links.list();
    expect(links.sync(kernel, [eni("a", "s"), eni("bb", "s")])).toEqual([]);
    expect(kernel.links.list()).toEqual(before);
  });

  it("are on the link that the subnet names for nodes like this one", () => {
    const parents = [
      { nodeSelector: { matchLabels: { rack: "b" } }, interface: "none" },
      { nodeSelector: { matchLabels: { rack: "a" } }, interface: "up1" },
    ];
    subnets.set("s", subnet("s", { parents }));
    expect(links.sync(kernel, [eni("a", "s")])).toEqual([]);
    expect(belowOf("a")?.name).toBe("up1");
  });

  it("say what is wrong, and one's fault is not another's", () => {
    subnets.set("gone", subnet("gone", { parents: [{ interface: "up7" }] }));
    subnets.set(
      "other",
      subnet("other", { parents: [{ nodeSelector: { matchLabels: { rack: "z" } }, interface: "up1" }] }),
    );
    subnets.set("s", subnet("s"));
    const all = [eni("a", "gone"), eni("bb", "other"), eni("ccc", "unknown"), eni("dddd", "s")];
    const problems = links.sync(kernel, all);
    expect(problems).toEqual([
      expect.stringMatching(/^a: .*no such link/),
      expect.stringMatching(/^bb: .*selects this node/),
      expect.stringMatching(/^ccc: .*no Subnet unknown/),
    ]);
    expect(linkOf("dddd")).toBeDefined();
  });

  it("answer for the addresses of the interface and for no others", () => {
    subnets.set("s", subnet("s"));
    const answered = () =>
      kernel.neighbours
        .list({ proxy: true })
        .map(({ address }) => address)
        .toSorted();
    links.sync(kernel, [eni("a", "s", "10.8.0.4", "10.8.0.5")]);
    expect(answered()).toEqual(["10.8.0.4", "10.8.0.5"]);
    links.sync(kernel, [eni("a", "s", "10.8.0.5", "10.8.0.6")]);
    expect(answered()).toEqual(["10.8.0.5", "10.8.0.6"]);
  });

  it("go with their interface, the VLAN with the last of them, and nobody else's", async () => {
    subnets.set("s", subnet("s", { vlan: 101 }));
    links.sync(kernel, [eni("a", "s"), eni("bb", "s")]);
    await links.tidy(kernel, new Set(["bb"]));
    expect([linkOf("a"), belowOf("bb")?.kind]).toEqual([undefined, "vlan"]);
    await links.tidy(kernel, new Set());
    expect(kernel.links.list().map(({ name }) => name)).toEqual(["lo", "up0", "up1"]);
  });
});
