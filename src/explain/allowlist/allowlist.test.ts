import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { NodeConfig } from "../../api/kinds/node-config.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { cluster, host, pod, pool } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { judgesOf } from "../judges/plans.ts";
import { parseEnd } from "../target.ts";
import { allowlist, type Workload } from "./allowlist.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const subnet: Subnet = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Subnet",
  metadata: meta("vsw-1"),
  spec: { zone: "h", cidr: "10.2.1.0/24" },
};
const config: NodeConfig = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  metadata: meta("n2"),
  status: { vSwitchIDs: ["vsw-1"] },
};
const db = host("db", "172.17.0.9", { admit: ["10.2.1.0/24"] });

function list(of: ReturnType<typeof cluster>, workload?: Workload) {
  const made = allowlist(of, judgesOf(of), findEnd(of, parseEnd("host/db"), "default"), undefined, workload);
  return { ...made, sources: made.sources.map(({ why }) => why) };
}

describe("the ranges that a database must admit", () => {
  it("are the whole subnet of pods that have addresses of it, or wait for one", () => {
    const of = cluster(
      pool("pods", "10.1.0.0/16"),
      subnet,
      config,
      db,
      pod("a", "10.2.1.7", "n2"),
      pod("b", "10.2.1.8", "n2"),
    );
    expect(list(of, { kind: "Pod", namespace: "default", name: "a" })).toMatchObject({
      to: "host/db",
      for: "pod/default/a",
      ranges: ["10.2.1.0/24"],
      admitted: ["10.2.1.0/24"],
      missing: [],
      sources: [expect.stringMatching(/vSwitch vsw-1.*NodeConfig\/n2/)],
    });
  });

  it("are the single addresses of pods that theirs are held for, with the subnet as the wider choice", () => {
    const podEni = (name: string, ipv4: string, type: string): PodENI => ({
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodENI",
      metadata: {
        ...meta(name),
        namespace: "default",
        annotations: { "k8s.aliyun.com/pod-networking": "net" },
      },
      spec: { allocations: [{ allocationType: { type }, eni: { id: name, vSwitchID: "vsw-1" }, ipv4 }] },
    });
    const of = cluster(
      pool("pods", "10.1.0.0/16"),
      subnet,
      db,
      pod("a", "10.2.1.7", "n2"),
      pod("b", "10.2.1.8", "n2"),
      podEni("a", "10.2.1.7", "Fixed"),
      podEni("b", "10.2.1.8", "Elastic"),
    );
    const of1 = (name: string) => list(of, { kind: "Pod", namespace: "default", name });
    expect(of1("a")).toMatchObject({
      ranges: ["10.2.1.7/32"],
      admitted: ["10.2.1.7/32"],
      sources: [
        expect.stringMatching(/PodENI\/default\/a/),
        expect.stringMatching(/wider choice: all of vSwitch vsw-1/),
      ],
    });
    expect(of1("b")).toMatchObject({
      ranges: ["10.2.1.0/24"],
      sources: [expect.stringMatching(/PodNetworking net has its pods in/)],
    });
    // Pods that are away come back with the addresses that are held for them.
    const kept = { ...podEni("db-1", "10.2.1.9", "Fixed") };
    const away = cluster(
      pool("pods", "10.1.0.0/16"),
      subnet,
      db,
      kept,
      podEni("db-2", "10.2.1.10", "Elastic"),
      { ...podEni("db-x", "10.2.1.11", "Fixed") },
      {
        ...podEni("db-3", "10.2.1.12", "Fixed"),
        metadata: { ...kept.metadata, name: "db-3", deletionTimestamp: "x" },
      },
    );
    const rangesFor = (kind: string, name: string) => list(away, { kind, namespace: "default", name }).ranges;
    expect(rangesFor("StatefulSet", "db")).toEqual(["10.2.1.9/32"]);
    expect(rangesFor("Pod", "db-1")).toEqual(["10.2.1.9/32"]);
    expect(rangesFor("Deployment", "db")).toEqual([]);
    expect(rangesFor("StatefulSet", "d")).toEqual([]);
    const ofSubnet = (of2: typeof away) => list(of2).ranges.filter((range) => range.startsWith("10.2.1."));
    expect(ofSubnet(away)).toEqual(["10.2.1.9/32", "10.2.1.11/32"]);
    // One that is being deleted, or waits for its wire, is no other one.
    const leaving = pod("db-1", "10.2.1.9", "n2");
    const waiting = { ...leaving, status: {} };
    for (const one of [waiting, { ...leaving, metadata: { ...leaving.metadata, deletionTimestamp: "x" } }])
      expect(ofSubnet(cluster(pool("pods", "10.1.0.0/16"), subnet, config, db, kept, one))).toEqual([
        "10.2.1.9/32",
      ]);
  });

  it("are the blocks of pods that are not translated, and what is seen of those that are", () => {
    const plain = cluster(pool("pods", "10.1.0.0/16", false), db);
    expect(list(plain)).toMatchObject({ ranges: ["10.1.0.0/26", "10.1.0.64/26"], admitted: [], for: null });
    expect(list(plain).missing).toEqual(["10.1.0.0/26", "10.1.0.64/26"]);
    const translated = cluster(pool("pods", "10.1.0.0/16", true), db);
    expect(list(translated).ranges).toEqual(["192.168.18.3/32", "192.168.18.4/32"]);
  });

  it("are of both families where a host that is named has both, and of the one that a pod has", () => {
    const both = host("db", "172.17.0.9", { addresses: ["172.17.0.9", "fd00:9::9"] });
    const podIPs = ["10.1.0.9", "fd00:1::9"].map((ip) => ({ ip }));
    const dual: Pod = { ...pod("dual", "10.1.0.9", "n1"), status: { phase: "Running", podIPs } };
    const of = cluster(
      pool("pods", "10.1.0.0/16", false),
      pool("six", "fd00:1::/64", false),
      both,
      dual,
      pod("single", "10.1.0.10", "n1"),
    );
    const ranges = (name: string) => list(of, { kind: "Pod", namespace: "default", name }).ranges;
    expect(ranges("dual")).toEqual(["10.1.0.0/26", "fd00:1::9/128"]);
    expect(ranges("single")).toEqual(["10.1.0.0/26"]);
  });

  it("are none where there is nobody", () => {
    const of = cluster(pool("pods", "10.1.0.0/16"), db);
    expect(list(of, { kind: "Deployment", namespace: "default", name: "none" }).ranges).toEqual([]);
  });
});
