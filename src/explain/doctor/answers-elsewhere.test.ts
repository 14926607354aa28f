import { expect, it } from "vitest";
import type { SourceNAT } from "../../api/kinds/source-nat.ts";
import { cluster } from "../cluster.suite.ts";
import { answersElsewhere } from "./answers-elsewhere.ts";

type Rule = NonNullable<SourceNAT["spec"]["rules"]>[number];
const found = (addresses: readonly string[], more: Partial<Rule> = {}, egress = {}) => {
  const rule: Rule = { ...more, action: { type: "Address", addresses, ...egress } };
  const object: SourceNAT = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SourceNAT",
    metadata: { name: "rule", uid: "u", resourceVersion: "1", creationTimestamp: "" },
    spec: { rules: [rule] },
  };
  return answersElsewhere(cluster(object)).map(({ message }) => message);
};

it("an address that another machine has gets the answers, whoever it is", () => {
  const mend =
    "answers go there and are lost; to mend it: action.type Masquerade, or an address that nobody has, with action.egressNodes";
  expect(found(["192.168.18.4"])).toEqual([
    `spec.rules[0] translates what default/db, default/web send to 192.168.18.4, which node n2 has: ${mend}`,
  ]);
  expect(found(["172.17.0.8-172.17.0.10"], { podSelector: { matchLabels: { app: "api" } } })).toEqual([
    `spec.rules[0] translates what default/api sends to 172.17.0.9, which host out has: ${mend}`,
  ]);
});

it("a node's own address is right for its own pods, and what nobody has may be a router's word", () => {
  expect(found(["192.168.18.4"], { podSelector: { matchLabels: { app: "api" } } })).toEqual([]);
  expect(found(["192.168.18.250"])).toEqual([]);
  expect(found(["fd00:18::4"])).toEqual([]);
  // Refused on the object, and told there.
  expect(found(["192.168.18.4"], {}, { egressNodes: {} })).toEqual([]);
});
