import { expect, it } from "vitest";
import { unfollowed } from "./foreign-tables.ts";

it.each([
  ["inet", "forward", undefined],
  ["ip6", "postrouting", undefined],
  ["inet", "ingress", "chain c of table inet t: rules on the hook ingress are not followed"],
  ["inet", "egress", "chain c of table inet t: rules on the hook egress are not followed"],
  ["netdev", "ingress", "table netdev t: rules of that family are not followed"],
  ["bridge", "forward", "table bridge t: rules of that family are not followed"],
])("says of a base chain of family %s on hook %s whether it is followed", (family, hook, why) =>
  expect(unfollowed({ family, table: "t", name: "c", hook })).toBe(why),
);
