import { expect, it } from "vitest";
import type { Node } from "../core.ts";
import { nodeAnnotation } from "./node-annotations.ts";

it("counts an empty annotation as absent", () => {
  const node = (value: string) =>
    ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "a", annotations: { "projectcalico.org/ASNumber": value } },
    }) as unknown as Node;
  expect(nodeAnnotation(node(" "), "asNumber")).toBeUndefined();
  expect(nodeAnnotation(node("64513"), "asNumber")).toBe("64513");
  expect(nodeAnnotation(node("64513"), "reflectorClusterId")).toBeUndefined();
});
