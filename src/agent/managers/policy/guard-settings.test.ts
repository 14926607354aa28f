import { expect, it } from "vitest";
import { fakeMachine } from "../../../kernel/index.ts";
import { guardSettings } from "./guard-settings.ts";

it.each([
  [0, true],
  [1, true],
  [2, false],
])("with %i for all links, pods' links check reverse paths strictly: %s", (all, reversePath) => {
  const machine = fakeMachine();
  machine.createNetns("node");
  const kernel = machine.open({ name: "node" });
  kernel.sysctl.set("net/ipv4/conf/all/rp_filter", all);
  expect(guardSettings(kernel)).toEqual({ reversePath });
});
