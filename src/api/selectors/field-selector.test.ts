import { describe, expect, it } from "vitest";
import { isError } from "../../base/errors.ts";
import type { KubeObject } from "../object.ts";
import { fieldChooser, valueAt } from "./field-selector.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: { nodeName: "n1", hostNetwork: false, priority: 7 },
  status: { phase: "Running" },
} satisfies KubeObject & { readonly spec: object; readonly status: object };

describe("field selectors", () => {
  it.each([
    ["", true],
    ["status.phase=Running", true],
    ["status.phase==Running", true],
    ["status.phase!=Running", false],
    ["metadata.name=web,spec.nodeName=n2", false],
    ["metadata.name = web , spec.nodeName = n1", true],
    ["spec.priority=7,spec.hostNetwork=false", true],
    ["spec.absent=", true],
    ["spec.absent!=x", true],
    // What every object inherits is no field of it.
    ["constructor.name=", true],
  ])("'%s' chooses: %s", (text, chosen) => expect(fieldChooser(text)(pod)).toBe(chosen));

  it.each([
    ["phase", 1],
    ["a=b,c", 5],
    ["a=b,", 5],
    ["=x", 1],
  ])("'%s' is refused at column %i", (text, column) => {
    let caught: unknown;
    try {
      fieldChooser(text);
    } catch (error) {
      caught = error;
    }
    expect(isError(caught, "api.selector")).toBe(true);
    expect(String(caught)).toContain(String(column));
  });

  it("reads nothing where there is an object or a list", () => {
    expect([
      valueAt(pod, "spec"),
      valueAt(pod, "spec.nodeName"),
      valueAt(pod, "metadata.name.length"),
    ]).toEqual(["", "n1", ""]);
  });
});
