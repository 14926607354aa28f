import { expect, it } from "vitest";
import { ROUTE_PROTOCOL, type Rule } from "../kernel.ts";
import { codeOf, pair, type Scene, until } from "./scene.suite.ts";

export function addressTests(scene: Scene): void {
  it("adds, lists and removes addresses of both families", () => {
    const { kernel, link } = pair(scene);
    const six = { linkIndex: link.index, address: "fd00::1/64", scope: "global", noDad: true } as const;
    const four = { linkIndex: link.index, address: "10.0.0.1/24", scope: "global" } as const;
    const global = kernel.addresses.list(link.index).filter((one) => one.scope === "global");
    expect(global).toEqual([four, six]);
    expect(codeOf(() => kernel.addresses.add(four))).toBe("kernel.exists");
    expect(codeOf(() => kernel.addresses.add({ ...four, linkIndex: 4711 }))).toBe("kernel.missing");
    kernel.addresses.remove(four);
    kernel.addresses.remove(four);
    expect(kernel.addresses.list().map((one) => one.address)).not.toContain("10.0.0.1/24");
    expect(kernel.addresses.list().map((one) => one.address)).toContain("127.0.0.1/8");
  });

  it("lists how sources of IPv6 are chosen, where there is IPv6", () => {
    const labels = scene.open(scene.netns()).addresses.labels();
    if (labels.length > 0) expect(labels).toContainEqual({ range: "fc00::/7", label: 5 });
  });

  it("gives a link with carrier a link-local address, unless told not to", async () => {
    const kernel = scene.open(scene.netns());
    kernel.links.add({ kind: "veth", name: "v0", mac: "02:00:00:00:00:0a", peer: { name: "v1" } });
    kernel.links.change("v1", { addressGeneration: "none", up: true });
    kernel.links.change("v0", { up: true });
    const local = (name: string): string[] =>
      kernel.addresses.list(kernel.links.get(name)?.index ?? -1).map((one) => one.address);
    await until(() => local("v0").includes("fe80::ff:fe00:a/64"));
    expect(local("v1")).toEqual([]);
  });

  it("makes a route to the address's network and takes it away again", () => {
    const { kernel, link } = pair(scene);
    const networks = (): string[] =>
      kernel.routes
        .list()
        .filter((one) => one.linkIndex === link.index)
        .map((one) => one.destination);
    expect(networks()).toContain("10.0.0.0/24");
    expect(networks()).toContain("fd00::/64");
    kernel.addresses.remove({ linkIndex: link.index, address: "10.0.0.1/24", scope: "global" });
    expect(networks()).not.toContain("10.0.0.0/24");
  });
}

export function ruleTests(scene: Scene): void {
  it("adds, lists and removes rules of both families beside the kernel's own", () => {
    const kernel = scene.open(scene.netns());
    const common = { protocol: ROUTE_PROTOCOL, table: 1000 };
    const wanted: Rule[] = [
      { ...common, family: 4, priority: 512, from: "10.0.0.1/32" },
      {
        ...common,
        family: 4,
        priority: 600,
        to: "10.1.0.0/16",
        incoming: "lo",
        mark: { value: 16, mask: 0xf0 },
      },
      { ...common, family: 6, priority: 512, from: "fd00::1/128", table: 77 },
    ];
    for (const one of wanted) kernel.rules.add(one);
    const found = (): Rule[] => kernel.rules.list().filter((one) => one.protocol === ROUTE_PROTOCOL);
    expect(found()).toEqual(wanted);
    expect(kernel.rules.list(6).filter((one) => one.protocol === ROUTE_PROTOCOL)).toHaveLength(1);
    expect(kernel.rules.list(4).map((one) => one.priority)).toEqual([0, 512, 600, 32766, 32767]);
    expect(codeOf(() => kernel.rules.add(wanted[0]!))).toBe("kernel.exists");
    for (const one of [...wanted, ...wanted]) kernel.rules.remove(one);
    expect(found()).toEqual([]);
  });
}

export function neighbourTests(scene: Scene): void {
  it("keeps entries, proxies and forwarding entries apart", () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    const vxlan = { id: 9, port: 4789, local: "10.0.0.1", learning: false };
    const { index } = kernel.links.add({ kind: "vxlan", name: "vx0", vxlan });
    const mac = "02:00:00:00:00:07";
    const entry = { linkIndex, address: "10.0.0.7", mac, state: "permanent" } as const;
    const six = { linkIndex, address: "fd00::7", mac, state: "permanent" } as const;
    const proxy = { linkIndex, address: "10.0.0.8", state: "other", proxy: true } as const;
    const forward = { linkIndex: index, address: "10.0.0.9", mac, state: "permanent", fdb: true } as const;
    for (const one of [entry, six, proxy, forward]) kernel.neighbours.replace(one);
    const permanent = kernel.neighbours.list({ linkIndex }).filter((one) => one.state === "permanent");
    expect(permanent.toSorted((a, b) => a.address.localeCompare(b.address))).toEqual([entry, six]);
    expect(kernel.neighbours.list({ proxy: true })).toEqual([proxy]);
    expect(kernel.neighbours.list({ fdb: true, linkIndex: index })).toEqual([forward]);

    kernel.neighbours.replace({ ...entry, mac: "02:00:00:00:00:99" });
    kernel.neighbours.replace({ ...forward, address: "10.0.0.10" });
    expect(kernel.neighbours.list({ linkIndex })).toContainEqual({ ...entry, mac: "02:00:00:00:00:99" });
    expect(kernel.neighbours.list({ fdb: true, linkIndex: index })).toMatchObject([{ address: "10.0.0.10" }]);

    for (const one of [entry, proxy, { ...forward, address: "10.0.0.10" }]) {
      kernel.neighbours.remove(one);
      kernel.neighbours.remove(one);
    }
    expect(kernel.neighbours.list({ proxy: true })).toEqual([]);
    expect(kernel.neighbours.list({ fdb: true, linkIndex: index })).toEqual([]);
    expect(kernel.neighbours.list({ linkIndex }).map((one) => one.address)).not.toContain("10.0.0.7");
    expect(codeOf(() => kernel.neighbours.replace({ ...entry, linkIndex: 4711 }))).toBe("kernel.missing");
  });

  it("sends unknown destinations of a vxlan to several tunnel ends", () => {
    const { kernel } = pair(scene);
    const vxlan = { id: 9, port: 4789, local: "10.0.0.1", learning: false };
    const { index } = kernel.links.add({ kind: "vxlan", name: "vx0", vxlan });
    const any = { linkIndex: index, mac: "00:00:00:00:00:00", state: "permanent", fdb: true } as const;
    for (const address of ["10.0.0.2", "10.0.0.3", "10.0.0.2"])
      kernel.neighbours.replace({ ...any, address });
    const ends = kernel.neighbours.list({ fdb: true, linkIndex: index }).map((one) => one.address);
    expect(ends.toSorted()).toEqual(["10.0.0.2", "10.0.0.3"]);
  });
}

export function featureTests(scene: Scene): void {
  it("switches features of a link that is there", () => {
    const { kernel } = pair(scene);
    const vxlan = { id: 9, port: 4789, local: "10.0.0.1", learning: false };
    kernel.links.add({ kind: "vxlan", name: "vx0", vxlan });
    const off = { "tx-checksum-ip-generic": false };
    for (let again = 0; again < 2; again++) kernel.links.setFeatures("vx0", off);
    expect(codeOf(() => kernel.links.setFeatures("vx1", off))).toBe("kernel.missing");
  });
}

export function sysctlTests(scene: Scene): void {
  it("counts what concerns TCP in each namespace of its own", () => {
    expect(scene.open(scene.netns()).ipsecPolicies()).toBe(0);
    const text = scene.open(scene.netns()).netstat();
    const [names, numbers] = text.split("\n").filter((line) => line.startsWith("TcpExt:"));
    expect(names?.split(" ")).toContain("TCPMD5Failure");
    const at = names?.split(" ").indexOf("TCPMD5Failure") ?? 0;
    expect(numbers?.split(" ")[at]).toBe("0");
  });

  it("sets what belongs to its own namespace only", () => {
    const [a, b] = [scene.open(scene.netns()), scene.open(scene.netns())];
    a.sysctl.set("net/ipv4/ip_forward", 1);
    expect(a.sysctl.get("net/ipv4/ip_forward")).toBe("1");
    expect(a.sysctl.get("net/ipv4/conf/all/forwarding")).toBe("1");
    expect(b.sysctl.get("net/ipv4/ip_forward")).toBe("0");
  });

  it("knows a link's settings only while there is the link, and refuses keys that lead elsewhere", () => {
    const kernel = scene.open(scene.netns());
    const key = "net/ipv4/conf/br0/proxy_arp";
    expect(codeOf(() => kernel.sysctl.set(key, 1))).toBe("kernel.sysctl");
    kernel.links.add({ kind: "bridge", name: "br0" });
    kernel.sysctl.set(key, 1);
    expect(kernel.sysctl.get(key)).toBe("1");
    expect(codeOf(() => kernel.sysctl.get("net/../../etc/hostname"))).toBe("kernel.name");
  });
}
