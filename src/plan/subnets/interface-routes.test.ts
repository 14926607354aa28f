import { describe, expect, it } from "vitest";
import { planInterfaceRoutes, type RoutedInterface, subnetRulePriorities } from "./interface-routes.ts";

const one = (slot: number, addresses: string[], link: RoutedInterface["link"]): RoutedInterface => ({
  slot,
  vSwitchID: "vsw-1",
  cidr: "10.2.1.0/24",
  gateway: "10.2.1.253",
  addresses,
  link,
});
const first = one(1, ["10.2.1.1", "10.2.1.2"], { index: 7, name: "eth1" });
const second = one(2, ["10.2.1.3"], { index: 8, name: "eth2" });

describe("the way of subnets' pods", () => {
  it("is nobody's business on a node without interfaces", () => {
    expect(planInterfaceRoutes([], ["10.1.0.1"], ["10.1.0.0/16"])).toEqual({ rules: [], routes: [] });
  });

  it("leads to the interface that has the source, and first to pods of the node and of pools", () => {
    const { rules, routes } = planInterfaceRoutes(
      [second, first],
      ["10.2.1.1", "10.2.1.3", "10.1.0.1"],
      ["10.1.0.0/16"],
    );
    const told = rules
      .toSorted((a, b) => a.priority - b.priority)
      .map(({ priority, to, from, incoming, suppressPrefixLength, table }) =>
        [priority, to ?? from ?? incoming, suppressPrefixLength, table]
          .filter((fact) => fact !== undefined)
          .join(" "),
      );
    expect(told).toEqual([
      `${subnetRulePriorities.local} 10.2.1.0/24 31 254`,
      `${subnetRulePriorities.blocks} 10.1.0.0/16 254`,
      `${subnetRulePriorities.stray} eth1 8500`,
      `${subnetRulePriorities.stray} eth2 8500`,
      `${subnetRulePriorities.pod} 10.2.1.3/32 8502`,
      `${subnetRulePriorities.subnet} 10.2.1.0/24 8501`,
    ]);
    expect(routes.map(({ table, type, via, linkIndex }) => [table, type, via, linkIndex])).toEqual([
      [8501, "unicast", "10.2.1.253", 7],
      [8501, "unreachable", undefined, undefined],
      [8502, "unicast", "10.2.1.253", 8],
      [8502, "unreachable", undefined, undefined],
      [8500, "blackhole", undefined, undefined],
    ]);
    // What is left when the kernel has taken the others with their links.
    expect(routes.filter(({ metric }) => metric !== undefined).map(({ type }) => type)).toEqual([
      "unreachable",
      "unreachable",
    ]);
  });

  it("leads what one pod has to itself by its own interface, pod or none, and takes no range for it", () => {
    const own = { ...second, own: true as const };
    const { rules } = planInterfaceRoutes([own], [], []);
    expect(rules.map(({ priority, from, to, table }) => [priority, from ?? to, table])).toEqual([
      [subnetRulePriorities.local, "10.2.1.0/24", 254],
      [subnetRulePriorities.stray, undefined, 8500],
      [subnetRulePriorities.pod, "10.2.1.3/32", 8502],
    ]);
    const gone = planInterfaceRoutes([{ ...own, link: undefined }], [], []);
    expect(gone.routes[0]).toMatchObject({ table: 8502, type: "unreachable" });
  });

  it("ends where an interface is not there, and does not go round by the node's own", () => {
    const { rules, routes } = planInterfaceRoutes([one(1, ["10.2.1.1"], undefined)], ["10.2.1.1"], []);
    expect(routes.map(({ table, type }) => [table, type])).toEqual([
      [8501, "unreachable"],
      [8501, "unreachable"],
      [8500, "blackhole"],
    ]);
    expect(rules.map(({ priority }) => priority)).toEqual([
      subnetRulePriorities.local,
      subnetRulePriorities.subnet,
    ]);
  });
});
