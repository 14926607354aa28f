import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatProblem } from "../base/problem.ts";
import { kindNamed } from "./kinds/index.ts";
import { isUsable, subnetGateway, usableAddresses, usableCount } from "./subnets.ts";
import { validate } from "./validation/validate.ts";

const subnet = (spec: object) =>
  validate(kindNamed("subnet")!, {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "Subnet",
    metadata: { name: "vsw-1" },
    spec,
  })
    .errors.map(formatProblem)
    .join("; ");

describe("a subnet's range", () => {
  it("gives 252 addresses of a /24, and its gateway is the third-last", () => {
    const spec = { cidr: "10.2.1.0/24" };
    expect(usableCount(spec)).toBe(252);
    expect(subnetGateway(spec)).toBe("10.2.1.253");
    const given = [...usableAddresses(spec)];
    expect([given[0], given.at(-1)]).toEqual(["10.2.1.1", "10.2.1.252"]);
  });

  it("that is none gives nothing, and what is no gateway counts as absent", () => {
    const none = { cidr: "10.2.1.0/24 " };
    expect([usableCount(none), isUsable(none, "10.2.1.7"), [...usableAddresses(none)]]).toEqual([
      0,
      false,
      [],
    ]);
    expect(subnetGateway({ cidr: "10.2.1.0/24", gateway: "router" })).toBe("10.2.1.253");
  });

  it("never gives its gateway, wherever that is", () => {
    const specs = fc
      .tuple(fc.integer({ min: 24, max: 29 }), fc.integer({ min: 1, max: 6 }))
      .map(([length, last]) => ({ cidr: `10.2.1.0/${length}`, gateway: `10.2.1.${last}` }));
    fc.assert(
      fc.property(specs, (spec) => {
        const given = [...usableAddresses(spec)];
        expect(given).not.toContain(spec.gateway);
        expect(given.length).toBe(usableCount(spec));
        expect(given.every((address) => isUsable(spec, address))).toBe(true);
      }),
    );
  });
});

describe("Subnet", () => {
  it.each([
    [{ zone: "a", cidr: "10.2.1.0/24" }, /^$/],
    [{ zone: "a", cidr: "10.2.1.0/24", gateway: "10.2.2.1" }, /must lie inside 10.2.1.0\/24/],
    [{ zone: "a", cidr: "fd00::/64" }, /subnets carry IPv4 only/],
    [{ zone: "a", cidr: "10.2.1.0/30" }, /must be \/29 or larger/],
    [{ zone: "a", cidr: "10.2.1.0/24", vlan: 4095 }, /from 1 to 4094/],
    [{ zone: "", cidr: "10.2.1.0/24" }, /must not be empty/],
  ])("%j", (spec, expected) => {
    expect(subnet(spec)).toMatch(expected);
  });
});
