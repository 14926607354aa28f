import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { namespaceKind, podKind } from "../api/kinds/core.ts";
import { ipPoolKind } from "../api/kinds/ip-pool.ts";
import { deploymentKind, replicationControllerKind } from "../api/kinds/workloads.ts";
import { parseManifests } from "../api/manifest/parse.ts";
import { formatProblem } from "../base/problem.ts";
import { type ApplyOptions, applyManifests, lastAppliedAnnotation } from "./apply.ts";
import { memoryStore } from "./memory.ts";
import type { Store } from "./store.ts";

const pod = (more = "", spec = "") => `
apiVersion: v1
kind: Pod
metadata:
  name: web
  ${more}
spec:
  containers: [{name: c, image: one}]
  ${spec}
`;
const pool = (name: string, cidr: string, more = "") =>
  `apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {cidr: ${cidr}${more}}\n`;
const deployment = (label: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: ${label}}}
  template: {metadata: {labels: {app: ${label}}}, spec: {containers: [{name: c}]}}
`;

describe("apply", () => {
  let store: Store;
  beforeEach(() => {
    store = memoryStore();
  });
  afterEach(() => store.close());

  async function apply(text: string, options: ApplyOptions = {}) {
    const { objects, errors: unread } = parseManifests(text, "f.yaml");
    expect(unread).toEqual([]);
    const { applied, errors, warnings } = await applyManifests(store, objects, options);
    return {
      actions: applied.map((one) => `${one.object.kind}/${one.object.metadata.name} ${one.action}`),
      errors: errors.map(formatProblem),
      warnings: warnings.map(formatProblem),
    };
  }
  const web = () => store.get(podKind, "web", "default");

  it("leaves a status alone in which zeros are counted", async () => {
    const text =
      "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: r}\n" +
      "spec: {replicas: 0, template: {metadata: {labels: {x: 'y'}}, spec: {containers: [{name: c}]}}}\n";
    await apply(text);
    const made = await store.get(replicationControllerKind, "r", "default");
    if (!made) throw new Error("it is not there");
    const status = { replicas: 0, readyReplicas: 0, observedGeneration: 1 };
    await store.update(replicationControllerKind, { ...made, status });
    expect((await apply(text)).actions).toEqual(["ReplicationController/r unchanged"]);
    expect((await store.get(replicationControllerKind, "r", "default"))?.status).toEqual(status);
  });

  it("creates, leaves unchanged, and changes labels without touching anything else", async () => {
    expect((await apply(pod("labels: {a: '1', b: '1'}"))).actions).toEqual(["Pod/web created"]);
    const first = await web();
    expect(first?.metadata.labels).toEqual({ a: "1", b: "1" });
    if (!first) return;
    const running = await store.update(podKind, {
      ...first,
      spec: { ...first.spec, nodeName: "n1" },
      status: { phase: "Running" },
      metadata: { ...first.metadata, labels: { ...first.metadata.labels, theirs: "x" } },
    });
    expect((await apply(pod("labels: {a: '1', b: '1'}"))).actions).toEqual(["Pod/web unchanged"]);
    expect(await web()).toEqual(running);
    expect((await apply(pod("labels: {a: '2'}"))).actions).toEqual(["Pod/web configured"]);
    const after = await web();
    expect(after?.metadata.labels).toEqual({ a: "2", theirs: "x" });
    expect(after?.metadata.uid).toBe(first.metadata.uid);
    expect([after?.spec.nodeName, after?.status?.phase]).toEqual(["n1", "Running"]);
  });

  it("records what was applied as kubectl does", async () => {
    await apply(pod("annotations: {note: x}"));
    const text = (await web())?.metadata.annotations?.[lastAppliedAnnotation] ?? "";
    expect(JSON.parse(text)).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", namespace: "default", annotations: { note: "x" } },
      spec: { containers: [{ name: "c", image: "one" }] },
    });
  });

  it("survives a record that somebody has broken", async () => {
    await apply(pod("labels: {a: '1'}"));
    const stored = await web();
    if (stored)
      await store.update(podKind, {
        ...stored,
        metadata: { ...stored.metadata, annotations: { [lastAppliedAnnotation]: "{" } },
      });
    await apply(pod());
    expect((await web())?.metadata.labels).toEqual({ a: "1" });
  });

  it("applies namespaces first, gives them their name as a label, and fills defaults", async () => {
    const text = `${pod("namespace: shop")}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n`;
    expect((await apply(text)).actions).toEqual(["Namespace/shop created", "Pod/web created"]);
    expect((await store.get(namespaceKind, "shop"))?.metadata.labels).toEqual({
      "kubernetes.io/metadata.name": "shop",
    });
    expect((await apply(text)).actions).toEqual(["Namespace/shop unchanged", "Pod/web unchanged"]);
    await apply(
      "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: r}\nspec: {template: {metadata: {labels: {x: 'y'}}, spec: {containers: [{name: c}]}}}\n",
    );
    const rc = await store.get(replicationControllerKind, "r", "default");
    expect([rc?.spec.replicas, rc?.spec.selector]).toEqual([1, { x: "y" }]);
  });

  it("keeps replicas that were scaled, where the manifest does not say how many", async () => {
    await apply(deployment("a"));
    const stored = await store.get(deploymentKind, "web", "default");
    if (stored) await store.update(deploymentKind, { ...stored, spec: { ...stored.spec, replicas: 7 } });
    expect((await apply(deployment("a"))).actions).toEqual(["Deployment/web unchanged"]);
    expect((await store.get(deploymentKind, "web", "default"))?.spec.replicas).toBe(7);
  });

  it.each([
    [
      "a namespace that is missing",
      pod("namespace: nowhere"),
      /^f.yaml:6:14: pod\/web: namespace nowhere does not exist/,
    ],
    [
      "two different objects of one name",
      `${pod()}---${pod("labels: {a: b}")}`,
      /^f.yaml:14:9: pod\/web: .*f.yaml:5.*differently/,
    ],
    [
      "pools that overlap",
      `${pool("a", "10.1.0.0/16")}---\n${pool("b", "10.1.2.0/24")}`,
      /^f.yaml:9:14: ippool\/b: pool b 10.1.2.0\/24 overlaps pool a 10.1.0.0\/16/,
    ],
    [
      "a pool within a range of Services that comes with it",
      `${pool("a", "10.96.1.0/24")}---\napiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: kubernetes}\nspec: {cidrs: [10.96.0.0/16]}\n`,
      /^f.yaml:4:14: ippool\/a: .*the range of Services/,
    ],
  ])("refuses %s, and then applies nothing", async (_, text, expected) => {
    const { actions, errors } = await apply(text);
    expect(actions).toEqual([]);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(expected);
    expect((await store.list(podKind)).items).toEqual([]);
    expect((await store.list(ipPoolKind)).items).toEqual([]);
  });

  it("refuses what an existing object may not change", async () => {
    await apply(`${pod()}---${deployment("a")}---\n${pool("p", "10.1.0.0/16")}`);
    const { errors } = await apply(
      `${pod("", "hostNetwork: true")}---${deployment("b")}---\n${pool("p", "10.2.0.0/16", ", blockSize: 24")}`,
    );
    const fields = errors.map((text) => /`(\w+)`/.exec(text)?.[1]);
    expect(fields).toEqual(["hostNetwork", "selector", "cidr", "blockSize"]);
    expect((await apply(pod().replace("image: one", "image: two"))).actions).toEqual(["Pod/web configured"]);
  });

  it("says what it would do, and does nothing, in a dry run", async () => {
    expect((await apply(pod(), { dryRun: true })).actions).toEqual(["Pod/web created"]);
    expect(await web()).toBeUndefined();
  });

  it("holds the namespace of -n against that of the manifest", async () => {
    const { errors } = await apply(pod("namespace: kube-system"), {
      namespace: "default",
      onlyNamespace: true,
    });
    expect(errors[0]).toMatch(/it is for namespace kube-system, but -n says default/);
  });

  it("merges again when somebody else was quicker", async () => {
    await apply(pod("labels: {a: '1'}"));
    const { update } = store;
    let raced = false;
    const racing: Store = Object.assign(Object.create(store) as Store, {
      get: store.get.bind(store),
      list: store.list.bind(store),
      update: (async (kind, object) => {
        const stored = await store.get(podKind, "web", "default");
        if (!raced && stored) {
          raced = true;
          await update.call(store, podKind, {
            ...stored,
            metadata: { ...stored.metadata, labels: { ...stored.metadata.labels, theirs: "x" } },
          });
        }
        return update.call(store, kind, object) as never;
      }) satisfies Store["update"],
    });
    const { objects } = parseManifests(pod("labels: {a: '2'}"), "f.yaml");
    await applyManifests(racing, objects);
    expect((await web())?.metadata.labels).toEqual({ a: "2", theirs: "x" });
  });
});
