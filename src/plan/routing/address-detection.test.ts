import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { detectAddress, type MachineAddress, type Surroundings } from "./address-detection.ts";

const at = (name: string, text: string): MachineAddress => {
  const [address = "", length] = text.split("/");
  return { interface: name, address, length: Number(length) };
};

/** As the kernel lists them: by link, IPv4 and IPv6 mixed. */
const addresses = [
  at("docker0", "172.17.0.1/16"),
  at("eth0", "192.168.18.11/24"),
  at("eth0", "192.168.18.111/24"),
  at("eth0", "fd18::11/64"),
  at("tunl0", "10.1.0.1/32"),
  at("vxlan.tl", "10.1.0.2/32"),
  at("bond0", "10.9.0.11/16"),
  at("bond0", "fd09::11/64"),
  at("my-eth1", "10.8.0.11/24"),
];

const around: Surroundings = {
  addresses,
  internalIps: ["10.9.0.11", "fd09::11"],
  sourceTowards: (to) =>
    ({ "10.8.7.7": "10.8.0.11", "fd00::7": "fd09::11", "10.1.0.9": "10.1.0.2" })[to] ?? undefined,
};

const found = (method: string, family: 4 | 6 = 4, more: Partial<Surroundings> = {}) => {
  const result = detectAddress(method, family, { ...around, ...more });
  return "address" in result ? `${result.address}/${result.length} ${result.interface}` : result;
};

describe("detectAddress", () => {
  it.each([
    ["first-found", 4, "192.168.18.11/24 eth0"],
    ["first-found", 6, "fd18::11/64 eth0"],
    ["kubernetes-internal-ip", 4, "10.9.0.11/16 bond0"],
    ["kubernetes-internal-ip", 6, "fd09::11/64 bond0"],
    ["interface=bond0", 4, "10.9.0.11/16 bond0"],
    // Anywhere in the name, and by the links' order, as Calico has it.
    ["interface=eth1,bond.*", 4, "10.9.0.11/16 bond0"],
    ["interface=^eth1", 4, { why: "no link whose name matches has one" }],
    ["interface=docker0", 4, "172.17.0.1/16 docker0"],
    ["interface=.*", 4, "172.17.0.1/16 docker0"],
    ["skip-interface=eth.*", 4, "10.9.0.11/16 bond0"],
    ["skip-interface=eth0,bond0", 6, { why: "no link that is left has one" }],
    ["cidr=10.8.0.0/16,10.9.0.0/16", 4, "10.9.0.11/16 bond0"],
    ["cidr=192.168.18.111/32", 4, "192.168.18.111/24 eth0"],
    // Tunnels' own addresses are reached by the node's.
    ["cidr=10.1.0.0/16", 4, { why: "no address of the machine is in the ranges" }],
    ["can-reach=10.8.7.7", 4, "10.8.0.11/24 my-eth1"],
    ["can-reach=fd00::7", 6, "fd09::11/64 bond0"],
    ["can-reach=8.8.8.8", 4, { why: "no route leads to 8.8.8.8" }],
    ["none", 4, { none: true }],
    ["none", 6, { none: true }],
  ] as const)("%s for IPv%i", (method, family, expected) => {
    expect(found(method, family)).toEqual(expected);
  });

  it("does not take a tunnel's address for the node's where the way leads through it", () => {
    expect(found("can-reach=10.1.0.9")).toMatchObject({ why: expect.stringContaining("10.1.0.2") });
  });

  it("takes InternalIPs however they are written, and none that no link has", () => {
    expect(found("kubernetes-internal-ip", 6, { internalIps: ["FD09:0::11"] })).toBe("fd09::11/64 bond0");
    expect(found("kubernetes-internal-ip", 4, { internalIps: ["10.9.0.12"] })).toEqual({
      why: "no link has the InternalIP 10.9.0.12",
    });
    expect(found("kubernetes-internal-ip", 4, { internalIps: ["fd09::11"] })).toMatchObject({
      why: expect.stringContaining("no InternalIP of IPv4"),
    });
  });

  it("says what is wrong with a method, and never throws", () => {
    for (const method of [
      "last-found",
      "interface=(",
      "cidr=10.0.0.1/8",
      "cidr=fd00::/8",
      "can-reach=",
      "none=1",
    ])
      expect(found(method)).toHaveProperty("why");
    expect(found("can-reach=fd00::7")).toEqual({ why: "needs an IPv4 address; it is fd00::7" });
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(4 as const, 6 as const), (method, family) => {
        const result = detectAddress(method, family, around);
        // Whatever is found is one of the machine's.
        if ("address" in result) expect(addresses).toContain(result);
      }),
    );
  });
});
