import { describe, expect, it } from "vitest";
import { convertResult, extendResult, failureText } from "./result.ts";
import type { CniResult } from "./spec.ts";

const result: CniResult = {
  cniVersion: "1.1.0",
  interfaces: [
    { name: "tl0123456789abc", mac: "ee:ee:ee:ee:ee:ee", mtu: 1450 },
    { name: "eth0", mac: "02:00:00:00:00:01", mtu: 1450, sandbox: "/run/netns/x" },
  ],
  ips: [
    { address: "10.1.0.5/32", gateway: "169.254.1.1", interface: 1 },
    { address: "fd00::5/128", gateway: "fe80::a9fe:101", interface: 1 },
  ],
  routes: [{ dst: "0.0.0.0/0", gw: "169.254.1.1", mtu: 1400 }, { dst: "::/0" }],
};
const olderInterfaces = [
  { name: "tl0123456789abc", mac: "ee:ee:ee:ee:ee:ee" },
  { name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/run/netns/x" },
];
const olderRoutes = [{ dst: "0.0.0.0/0", gw: "169.254.1.1" }, { dst: "::/0" }];

describe("convertResult", () => {
  it("writes 1.1.0 as it is", () => {
    expect(convertResult(result, "1.1.0")).toEqual({ ...result, dns: {} });
  });

  it("leaves what is new in 1.1.0 out of 1.0.0", () => {
    expect(convertResult(result, "1.0.0")).toEqual({
      cniVersion: "1.0.0",
      interfaces: olderInterfaces,
      ips: result.ips,
      routes: olderRoutes,
      dns: {},
    });
  });

  it.each(["0.3.1", "0.4.0"] as const)("adds the family of each address in %s", (version) => {
    expect(convertResult(result, version)).toEqual({
      cniVersion: version,
      interfaces: olderInterfaces,
      ips: [
        { version: "4", address: "10.1.0.5/32", gateway: "169.254.1.1", interface: 1 },
        { version: "6", address: "fd00::5/128", gateway: "fe80::a9fe:101", interface: 1 },
      ],
      routes: olderRoutes,
      dns: {},
    });
  });

  it("drops the family that an older plugin before us wrote", () => {
    const older: CniResult = { cniVersion: "0.4.0", ips: [{ version: "4", address: "10.1.0.5/32" }] };
    expect(convertResult(older, "1.0.0").ips).toEqual([{ address: "10.1.0.5/32" }]);
  });
});

describe("extendResult", () => {
  it("is ours where nobody came before", () => {
    expect(extendResult(undefined, result)).toBe(result);
  });

  it("puts the others' first and moves our indexes up", () => {
    const before: CniResult = {
      cniVersion: "1.0.0",
      interfaces: [{ name: "a" }],
      ips: [{ address: "192.0.2.1/24", interface: 0 }],
      dns: { nameservers: ["192.0.2.53"] },
    };
    const both = extendResult(before, result);
    expect(both.interfaces?.map((one) => one.name)).toEqual(["a", "tl0123456789abc", "eth0"]);
    expect(both.ips?.map((ip) => ip.interface)).toEqual([0, 2, 2]);
    expect(both.dns).toEqual({ nameservers: ["192.0.2.53"] });
    expect(both.cniVersion).toBe("1.1.0");
  });
});

describe("failureText", () => {
  it("is the specification's error object", () => {
    expect(JSON.parse(failureText({ code: 7, msg: "m", details: "d" }, "1.0.0"))).toEqual({
      cniVersion: "1.0.0",
      code: 7,
      msg: "m",
      details: "d",
    });
  });
});
