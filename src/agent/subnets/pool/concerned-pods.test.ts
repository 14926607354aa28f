import { expect, it } from "vitest";
import type { Pod } from "../../../api/kinds/core.ts";
import { ConcernedPods } from "./concerned-pods.ts";

const pod = (nodeName: string | undefined, reason?: string): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "x", uid: "p", resourceVersion: "1", creationTimestamp: "" },
  spec: { ...(nodeName !== undefined && { nodeName }), containers: [{ name: "c" }] },
  status: { conditions: reason ? [{ type: "trunkline.dev/NetworkReady", status: "False", reason }] : [] },
});
const all = new Map<string, Pod>();
const some = (...keys: string[]) => new Map([["pods", new Set(keys)]]);

it("has the node's own pods and those that wait for an address, and follows what becomes of them", () => {
  all.clear();
  all.set("own", pod("n1")).set("other", pod("n2"));
  const concerned = new ConcernedPods("n1", all);
  const names = () => [...concerned.pods.keys()].toSorted();
  expect(names()).toEqual(["own"]);

  all.set("other", pod("n2", "VSwitchExhausted")).set("late", pod(undefined));
  expect(concerned.note(some("other", "late"))).toBe(true);
  expect(names()).toEqual(["other", "own"]);

  all.set("other", pod("n2")).set("late", pod("n1", "PodENINotReady"));
  // Who waits no more is of interest, too: there is one less.
  expect(concerned.note(some("other"))).toBe(true);
  expect(concerned.note(some("other"))).toBe(false);
  expect(concerned.note(some("late"))).toBe(true);
  expect(concerned.pods.get("late")).toBe(all.get("late"));
  expect(names()).toEqual(["late", "own"]);

  all.delete("own");
  expect(concerned.note(new Map([["nodes", "all" as const]]))).toBe(false);
  expect(concerned.note(some("own"))).toBe(true);
  expect(names()).toEqual(["late"]);
});

it("begins anew where everything may have changed", () => {
  all.clear();
  all.set("own", pod("n1"));
  const concerned = new ConcernedPods("n1", all);
  all.clear();
  all.set("waits", pod("n2", "VSwitchExhausted")).set("other", pod("n2"));
  expect(concerned.note(new Map([["pods", "all" as const]]))).toBe(true);
  expect([...concerned.pods.keys()]).toEqual(["waits"]);
});

it("knows the nodes whose pods have no address yet", () => {
  all.clear();
  all.set("a", pod("n1")).set("b", pod("n2")).set("c", pod("n2")).set("nowhere", pod(undefined));
  const concerned = new ConcernedPods("n1", all);
  expect([...concerned.needyNodes()]).toEqual(["n1", "n2"]);
  all.set("a", { ...pod("n1"), status: { podIPs: [{ ip: "10.0.0.1" }] } });
  all.delete("b");
  concerned.note(some("a", "b"));
  expect([...concerned.needyNodes()]).toEqual(["n2"]);
  all.clear();
  concerned.note(new Map([["pods", "all" as const]]));
  expect([...concerned.needyNodes()]).toEqual([]);
});
