import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import { servicesOf } from "../../plan/services.ts";
import { cluster, pod, policy } from "../cluster.suite.ts";
import { serviceFindings } from "../doctor/services.ts";
import { judgesOf } from "../judges/plans.ts";
import { factsOf } from "../manifests/facts-of.ts";
import { clusterEnds, matrixCells } from "../matrix/matrix.ts";
import { liveColumns, manifestColumns } from "./columns.ts";
import { objectsOf, proxyConfig, service, slice } from "./services.suite.ts";

const ports = [{ name: "web", containerPort: 8080 }];
const shut = policy("shut", { podSelector: { matchLabels: { one: "yes" } }, policyTypes: ["Ingress"] });

/** The cells of one sender to Services: `NAME PORT` and what is allowed. */
function cells(
  list: Iterable<{ from: string; to: string; port: string; allowed: boolean | null }>,
  from: string,
) {
  return Object.fromEntries(
    [...list]
      .filter((cell) => cell.from === from && cell.to.startsWith("service/"))
      .map(({ to, port, allowed }) => [`${to} ${port}`, allowed]),
  );
}

describe("Services of manifests", () => {
  const deployment = (name: string, labels: Record<string, string>): KubeObject =>
    ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: { template: { metadata: { labels }, spec: { containers: [{ name: "c", ports }] } } },
    }) as unknown as KubeObject;
  const manifests = [
    deployment("a", { app: "w", one: "yes" }),
    deployment("b", { app: "w" }),
    deployment("cli", { app: "cli" }),
    shut,
    service("both", "", { selector: { app: "w" }, ports: [{ port: 80, targetPort: "web" }] }),
    service("one", "", { selector: { one: "yes" }, ports: [{ port: 80, targetPort: 8080 }] }),
    service("none", "", { selector: { app: "gone" } }),
    service("portless", "", { selector: { app: "w" }, ports: [{ port: 80, targetPort: "gone" }] }),
    service("away", "", { type: "ExternalName", externalName: "x.example" }),
  ];
  const facts = factsOf(manifests);
  const scope = { facts, objects: servicesOf(manifests), namespaces: undefined, ports: undefined };

  it("are as open as the pods that they select", () => {
    const question = {
      ends: clusterEnds(facts),
      ports: [],
      view: "policies" as const,
      services: manifestColumns(scope),
    };
    expect(cells(matrixCells(facts, judgesOf(facts), question), "deployment/default/cli")).toEqual({
      "service/default/both 80/tcp": null,
      "service/default/none 80/tcp": false,
      "service/default/one 80/tcp": false,
      "service/default/portless 80/tcp": false,
    });
  });

  it("are only those of the namespaces and ports that are asked for", () => {
    const named = (more: object) => manifestColumns({ ...scope, ...more }).flatMap(({ asked }) => asked);
    expect(named({ namespaces: new Set(["other"]) })).toEqual([]);
    expect(named({ ports: [{ port: 81, protocol: "TCP" }] })).toEqual([]);
    expect(named({ ports: [{ port: 80, protocol: "TCP" }] })).toHaveLength(4);
  });
});

it("Services of a cluster that runs are as explain says", () => {
  const facts = cluster(
    pod("cli", "10.1.0.10", "n1"),
    pod("w1", "10.1.0.11", "n1", { labels: { one: "yes" }, ports }),
    pod("w2", "10.1.0.75", "n2", { ports }),
    shut,
    proxyConfig({ mode: "nftables", clusterCIDR: "10.1.0.0/16" }),
  );
  const objects = objectsOf(
    service("both", "10.96.0.1"),
    slice("both", { "10.1.0.11": { node: "n1" }, "10.1.0.75": { node: "n2" } }),
    service("one", "10.96.0.2"),
    slice("one", { "10.1.0.11": { node: "n1" } }),
    service("two", "None"),
    slice("two", { "10.1.0.75": { node: "n2" } }),
    service("empty", "10.96.0.3"),
    service("late", ""),
  );
  const judges = judgesOf(facts);
  const services = liveColumns({ facts, objects, namespaces: undefined, ports: undefined }, judges);
  const question = { ends: clusterEnds(facts), ports: "declared" as const, view: "live" as const, services };
  expect(cells(matrixCells(facts, judges, question), "pod/default/cli")).toEqual({
    "service/default/both 80/tcp": null,
    "service/default/empty 80/tcp": false,
    "service/default/late 80/tcp": null,
    "service/default/one 80/tcp": false,
    "service/default/two 80/tcp": true,
  });
});

describe("doctor names Services", () => {
  const facts = (...more: KubeObject[]) =>
    cluster(pod("w1", "10.1.0.11", "n1", { labels: { app: "w", one: "yes" } }), ...more);
  const web = objectsOf(service("web", "10.96.0.1", { selector: { app: "w" } }));
  const codes = (...words: Parameters<typeof serviceFindings>) =>
    serviceFindings(...words).map(({ code, object }) => `${code} ${object}`);

  it("whose selector finds no pod", () => {
    expect(codes(facts(), web)).toEqual([]);
    const lost = objectsOf(
      service("lost", "10.96.0.2", { selector: { app: "gone" } }),
      service("by-hand", "10.96.0.3"),
    );
    expect(codes(facts(), lost)).toEqual(["service.no-pods Service/default/lost"]);
  });

  it("whose pods' policies let nobody in, and only where all of them do", () => {
    expect(codes(facts(shut), web)).toEqual(["service.shut Service/default/web"]);
    const open = policy("open", { podSelector: {}, policyTypes: ["Ingress"], ingress: [{}] });
    expect(codes(facts(shut, open), web)).toEqual([]);
    expect(codes(facts(shut, pod("w2", "10.1.0.75", "n2", { labels: { app: "w" } })), web)).toEqual([]);
  });
});
