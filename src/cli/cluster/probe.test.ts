import { beforeEach, describe, expect, it } from "vitest";
import { nodeKind, podKind } from "../../api/kinds/core.ts";
import { endpointSliceKind, serviceKind } from "../../api/kinds/service.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import { probeInCluster } from "./probe.ts";

let store: Store;
/** What agents were asked: node and path without its query, and the query. */
let asked: { node: string; path: string; query: URLSearchParams }[];
let probed: object;
let arrivals: Record<string, Record<string, string>>;

const ask = async (node: string, text: string) => {
  const [path = "", query = ""] = text.split("?");
  asked.push({ node, path, query: new URLSearchParams(query) });
  if (path === "/watch") return JSON.stringify({ watch: new URLSearchParams(query).get("pod") });
  if (path === "/probe") return JSON.stringify(probed);
  return JSON.stringify({ arrivals: arrivals[new URLSearchParams(query).get("watch") ?? ""] ?? {} });
};
const probe = (from: string, to: string) =>
  probeInCluster(store, ask, { from, to, namespace: "default", timeoutMs: 500 });

beforeEach(async () => {
  store = memoryStore();
  asked = [];
  arrivals = {};
  probed = {
    reachable: true,
    outcome: "answered",
    sourceSeen: null,
    latencyMs: 1.5,
    error: null,
    marks: ["m"],
  };
  for (const [at, name] of ["n1", "n2"].entries())
    await store.create(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name },
      status: { addresses: [{ type: "InternalIP", address: `192.168.1.${at + 1}` }] },
    });
  for (const [name, nodeName, ip] of [
    ["a", "n1", "10.1.0.1"],
    ["b", "n2", "10.1.0.65"],
    ["c", "n1", "10.1.0.2"],
  ] as const)
    await store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: { nodeName, containers: [{ name: "c", image: "i", ports: [{ containerPort: 8080 }] }] },
      status: { phase: "Running", podIP: ip, podIPs: [{ ip }] },
    });
});

describe("a probe in a cluster", () => {
  it("watches at the receiver's node before the sender's sends, and tells the source by its mark", async () => {
    arrivals["default/b"] = { other: "10.9.9.9", m: "192.168.1.1" };
    expect(await probe("pod/a", "pod/b:80")).toMatchObject({
      from: "pod/default/a",
      to: "pod/default/b",
      port: "80/tcp",
      reachable: true,
      sourceSeen: "192.168.1.1",
      arrivedAt: "pod/default/b",
    });
    expect(asked.map(({ node, path }) => `${node} ${path}`)).toEqual([
      "n2 /watch",
      "n1 /probe",
      "n2 /watched",
    ]);
    // Questions to agents may each take half a minute: the watch is there for all of them.
    expect(Number(asked[0]?.query.get("ms"))).toBeGreaterThanOrEqual(120_000);
    expect(Object.fromEntries(asked[1]?.query ?? [])).toEqual({
      pod: "default/a",
      to: "10.1.0.65",
      protocol: "TCP",
      port: "80",
      ms: "500",
    });
  });

  it("asks the port that the receiver declares, or sends an echo", async () => {
    await probe("pod/a", "pod/b");
    expect(asked[1]?.query.get("port")).toBe("8080");
    asked = [];
    expect((await probe("pod/a", "pod/b/icmp")).port).toBeNull();
    expect(asked[0]?.query.get("protocol")).toBe("ICMP");
  });

  it("a datagram that arrives and that nobody answers has passed; one that is not seen has not", async () => {
    probed = { ...probed, reachable: false, outcome: "filtered", error: "no answer", latencyMs: null };
    arrivals["default/b"] = { m: "10.1.0.1" };
    expect(await probe("pod/a", "pod/b:53/udp")).toMatchObject({
      reachable: true,
      outcome: "arrived",
      sourceSeen: "10.1.0.1",
      error: null,
    });
    expect(await probe("pod/a", "pod/b:53/tcp")).toMatchObject({ reachable: false, sourceSeen: "10.1.0.1" });
    arrivals = {};
    expect(await probe("pod/a", "pod/b:53/udp")).toMatchObject({ reachable: false, arrivedAt: null });
  });

  it("a Service is asked at its address, and each of its pods watched on its own port", async () => {
    await store.create(serviceKind, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "default" },
      spec: { clusterIP: "10.96.0.9", ports: [{ name: "http", port: 80, targetPort: 8080 }] },
    });
    await store.create(endpointSliceKind, {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["10.1.0.65"] }, { addresses: ["10.1.0.2"] }],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    });
    arrivals["default/c"] = { m: "10.1.0.1" };
    expect(await probe("pod/a", "svc/web:80")).toMatchObject({
      to: "service/default/web",
      arrivedAt: "pod/default/c",
      sourceSeen: "10.1.0.1",
    });
    const watched = asked.filter(({ path }) => path === "/watch");
    expect(
      watched.map(({ node, query }) => `${node} ${query.get("pod")} ${query.get("port")}`).toSorted(),
    ).toEqual(["n1 default/c 8080", "n2 default/b 8080"]);
    expect(asked.find(({ path }) => path === "/probe")?.query.get("to")).toBe("10.96.0.9");
  });

  it("reaches addresses and nodes without watching, and starts from nobody but a pod", async () => {
    expect(await probe("pod/a", "192.0.2.7:443")).toMatchObject({ to: "192.0.2.7", arrivedAt: null });
    expect(await probe("pod/a", "node/n2:22")).toMatchObject({ to: "node/n2" });
    expect(asked.map(({ path }) => path)).toEqual(["/probe", "/probe"]);
    await expect(probe("node/n1", "pod/b:80")).rejects.toThrow("is no pod with an address");
    await expect(probe("pod/none", "pod/b:80")).rejects.toThrow("none");
  });
});
