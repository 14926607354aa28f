import { describe, expect, it } from "vitest";
import type { ConfigMap, Node } from "./kinds/core.ts";
import type { Host } from "./kinds/host.ts";
import type { IPPool } from "./kinds/ip-pool.ts";
import type { ServiceCIDR } from "./kinds/service-cidr.ts";
import { checkPoolChange, checkPools, type Surroundings, serviceRangesOf } from "./pools.ts";

const meta = (name: string) => ({ name, uid: "", resourceVersion: "", creationTimestamp: "" });
const pool = (name: string, cidr: string, more: Partial<IPPool["spec"]> = {}): IPPool => ({
  apiVersion: "crd.projectcalico.org/v1",
  kind: "IPPool",
  metadata: meta(name),
  spec: { cidr, ...more },
});
const node = (name: string, address: string, network?: string): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { ...meta(name), ...(network ? { annotations: { "trunkline.dev/node-network": network } } : {}) },
  status: { addresses: [{ type: "InternalIP", address }] },
});
const host: Host = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Host",
  metadata: meta("db"),
  spec: { addresses: ["10.9.0.5"] },
};
const nowhere: Surroundings = { nodes: [], hosts: [], serviceRanges: [], pools: [] };
const around: Surroundings = {
  nodes: [
    node("n1", "192.168.18.3", "192.168.18.3/24"),
    node("n2", "192.168.18.4", "192.168.18.4/24"),
    node("n3", "172.30.0.9"),
  ],
  hosts: [host],
  serviceRanges: ["172.21.0.0/20"],
  pools: [pool("old", "10.1.0.0/16")],
};
const messages = (pools: IPPool[], where = around) =>
  checkPools(pools, where)
    .filter((finding) => finding.severity === "error")
    .map((finding) => finding.message);

describe("address pools among others", () => {
  it.each([
    ["192.168.0.0/16", "pool new 192.168.0.0/16 overlaps the network of node n1 192.168.18.0/24"],
    ["192.168.18.128/25", "pool new 192.168.18.128/25 overlaps the network of node n1 192.168.18.0/24"],
    ["172.30.0.0/24", "pool new 172.30.0.0/24 overlaps node n3 172.30.0.9/32"],
    ["10.1.64.0/18", "pool new 10.1.64.0/18 overlaps pool old 10.1.0.0/16"],
    ["172.21.0.0/16", "pool new 172.21.0.0/16 overlaps the range of Services 172.21.0.0/20"],
    ["10.9.0.0/24", "pool new 10.9.0.0/24 overlaps host db 10.9.0.5/32"],
    ["224.1.0.0/16", "pool new 224.1.0.0/16 overlaps the multicast addresses 224.0.0.0/4"],
    ["fe80:1::/64", "pool new fe80:1::/64 overlaps the link-local addresses fe80::/10"],
  ])("%s is refused with both ranges", (cidr, message) => {
    expect(messages([pool("new", cidr)])).toEqual([message]);
  });

  it("says why 169.254.0.0/16 is refused", () => {
    expect(messages([pool("new", "169.254.8.0/24")])[0]).toMatch(/169\.254\.8\.0\/24 .*169\.254\.0\.0\/16$/);
  });

  it("accepts what overlaps nothing, and a pool in place of itself", () => {
    expect(messages([pool("new", "10.2.0.0/16"), pool("six", "fd00::/64")])).toEqual([]);
    expect(messages([pool("old", "10.1.0.0/16")])).toEqual([]);
  });

  it("compares new pools with each other, once", () => {
    const both = [pool("a", "10.2.0.0/16"), pool("b", "10.2.3.0/24")];
    expect(messages(both)).toEqual(["pool b 10.2.3.0/24 overlaps pool a 10.2.0.0/16"]);
  });

  it("passes over a range that cannot be read", () => {
    expect(checkPools([pool("a", "10.2.0.1/16")], nowhere)).toEqual([]);
  });

  it("warns of fewer blocks than nodes that the pool selects", () => {
    const warned = (more: Partial<IPPool["spec"]>) =>
      checkPools([pool("a", "10.3.0.0/26", more)], around).length;
    expect(warned({})).toBe(1);
    expect(warned({ blockSize: 28 })).toBe(0);
    expect(warned({ nodeSelector: "has(nothing)" })).toBe(0);
  });

  it("holds range and block size of an existing pool", () => {
    expect(checkPoolChange(pool("a", "10.1.0.0/16"), pool("a", "10.1.0.0/16", { blockSize: 26 }))).toEqual(
      [],
    );
    const paths = checkPoolChange(pool("a", "10.1.0.0/16"), pool("a", "10.1.0.0/17", { blockSize: 27 }));
    expect(paths.map((finding) => finding.path[1])).toEqual(["cidr", "blockSize"]);
  });

  it("reads the ranges of Services from Terway's configuration and ServiceCIDR objects", () => {
    const map = (data: string): ConfigMap => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...meta("eni-config"), namespace: "kube-system" },
      data: { eni_conf: data },
    });
    const terway = map('{"service_cidr": "172.21.0.0/20"}');
    expect(serviceRangesOf([terway], [])).toEqual(["172.21.0.0/20"]);
    expect(serviceRangesOf([map("{}")], [])).toEqual([]);
    expect(serviceRangesOf([], [])).toEqual([]);
    const serviceCidr: ServiceCIDR = {
      apiVersion: "networking.k8s.io/v1",
      kind: "ServiceCIDR",
      metadata: meta("kubernetes"),
      spec: { cidrs: ["10.96.0.0/16", "fd00:96::/112"] },
    };
    expect(serviceRangesOf([terway], [serviceCidr])).toEqual([
      "10.96.0.0/16",
      "fd00:96::/112",
      "172.21.0.0/20",
    ]);
  });
});
