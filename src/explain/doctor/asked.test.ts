import { expect, it } from "vitest";
import type { Namespace, Pod } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { podEni, subnetsOf } from "../../plan/subnets/pod-enis.suite.ts";
import { cluster, namespace, pod, pool } from "../cluster.suite.ts";
import { askedPairs } from "./asked.ts";

const pools = [pool("pods", "10.1.0.0/16"), pool("single", "10.3.0.0/26")];
const factsOf = (...all: readonly (Pod | Namespace)[]): ClusterFacts => ({
  ...cluster(...pools),
  pods: new Map(
    all.flatMap((one) =>
      one.kind === "Pod" ? [[`${one.metadata.namespace}/${one.metadata.name}`, one] as const] : [],
    ),
  ),
  namespaces: new Map(
    all.flatMap((one) => (one.kind === "Namespace" ? [[one.metadata.name, one] as const] : [])),
  ),
});
const asked = (facts: ClusterFacts) =>
  askedPairs(facts).map((pair) => pair.map(({ name }) => name.replace(/^pod\//, "")).join(" "));
const inSpace = (space: string, one: ReturnType<typeof pod>) => ({
  ...one,
  metadata: { ...one.metadata, namespace: space },
});

it("one pod of each node stands for those that nothing tells apart, in a ring", () => {
  const of = (...nodes: string[]) =>
    factsOf(
      ...nodes.flatMap((name, at) => [
        pod(`a-${name}`, `10.1.${at}.2`, name),
        pod(`b-${name}`, `10.1.${at}.3`, name),
      ]),
    );
  expect(asked(of("n1"))).toEqual([]);
  expect(asked(of("n1", "n2"))).toEqual(["default/a-n1 default/a-n2"]);
  expect(asked(of("n1", "n2", "n3"))).toEqual([
    "default/a-n1 default/a-n2",
    "default/a-n2 default/a-n3",
    "default/a-n3 default/a-n1",
  ]);
});

it("pods of another pool are asked too, with their neighbours and with each kind of the next node", () => {
  const facts = factsOf(
    pod("a", "10.1.0.2", "n1"),
    pod("s", "10.3.0.2", "n1"),
    pod("far", "10.1.1.2", "n2"),
    pod("far-s", "10.3.0.9", "n2"),
  );
  expect(asked(facts)).toEqual([
    "default/a default/s",
    "default/a default/far",
    "default/a default/far-s",
    "default/s default/far",
    "default/s default/far-s",
    "default/far default/far-s",
  ]);
});

it("a pod with an interface of its own is another kind than one of the same subnet on the node's", () => {
  const facts = {
    ...factsOf(pod("p", "10.2.1.7", "n1"), pod("q", "10.2.1.9", "n1"), pod("r", "10.2.1.10", "n1")),
    subnets: subnetsOf({ "vsw-1": "10.2.1.0/24" }),
    podEnis: new Map([["default/p", podEni("Member")]]),
  };
  // The PodENI is that of the pod with this uid.
  const own = facts.pods.get("default/p")!;
  const pods = new Map([
    ...facts.pods,
    ["default/p", { ...own, metadata: { ...own.metadata, uid: "u" } }] as const,
  ]);
  expect(asked({ ...facts, pods })).toEqual(["default/p default/q"]);
});

it("namespaces that rules may tell apart are asked once each, and a name alone tells nothing apart", () => {
  const label = (name: string) => ({ "kubernetes.io/metadata.name": name });
  const facts = factsOf(
    namespace("one", label("one")),
    namespace("two", label("two")),
    namespace("team", { ...label("team"), team: "x" }),
    inSpace("one", pod("a", "10.1.0.2", "n1")),
    inSpace("two", pod("b", "10.1.0.3", "n1")),
    inSpace("team", pod("c", "10.1.0.4", "n1")),
    inSpace("one", {
      ...pod("d", "10.1.0.5", "n1"),
      metadata: { ...pod("d", "10.1.0.5", "n1").metadata, annotations: { "trunkline.dev/snat": "none" } },
    }),
    inSpace("one", pod("far", "10.1.1.2", "n2")),
  );
  expect(asked(facts)).toEqual(["one/a one/far", "one/d one/far", "team/c one/far"]);
});

it("however many classes a node has, it asks about few, and never about who is gone or on the node's network", () => {
  const spaces = Array.from({ length: 40 }, (_, at) => namespace(`s${at}`, { team: `t${at}` }));
  const pods = spaces.map((space, at) => inSpace(space.metadata.name, pod("p", `10.1.0.${at + 2}`, "n1")));
  const host = pod("host", "192.168.18.4", "n2", { hostNetwork: true });
  const gone = pod("gone", "10.1.1.3", "n2");
  const going = { ...gone, metadata: { ...gone.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  const facts = factsOf(...spaces, ...pods, host, going);
  expect(asked(facts)).toEqual([]);
  const far = pod("far", "10.1.1.2", "n2");
  expect(asked(factsOf(...spaces, ...pods, host, going, far))).toHaveLength(8);
});
