import { expect, it } from "vitest";
import type { Node } from "../../api/kinds/core.ts";
import type { FlowTables, RoutingConfiguration } from "../../api/kinds/routing/routing-configuration.ts";
import { flowTableFindings } from "./flow-tables.ts";

const node = (state?: string) =>
  ({
    metadata: { annotations: state === undefined ? {} : { "trunkline.dev/flow-tables": state } },
  }) as unknown as Node;
const findings = (flowTables?: FlowTables) =>
  flowTableFindings({
    nodes: new Map([
      ["n2", node("off: a rule")],
      ["n1", node("on")],
      ["n3", node()],
    ]),
    routingConfigurations: new Map([
      ["default", { spec: { ...(flowTables && { flowTables }) } } as RoutingConfiguration],
    ]),
  }).map(({ severity, object, message }) => `${severity} ${object} ${message}`);

it("tells of nodes that hand nothing over, louder where that was asked for, and not where it is unwanted", () => {
  const told = "Node/n2 open connections of its pods do not go through flow tables: a rule";
  expect(findings()).toEqual([`note ${told}`]);
  expect(findings("Enabled")).toEqual([`warning ${told}`]);
  expect(findings("Disabled")).toEqual([]);
});
