import { describe, expect, it } from "vitest";
import { withDefaults } from "../defaults.ts";
import { type Secret, secretKind, secretText, shown } from "./secret.ts";

const stored = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: "bgp",
    namespace: "kube-system",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
    annotations: {
      "kubectl.kubernetes.io/last-applied-configuration": '{"stringData":{"a":"s3cret"}}',
      b: "c",
    },
  },
  data: { a: "czNjcmV0" },
} satisfies Secret;

describe("Secret", () => {
  it("keeps plain text as data, over what stood there", () => {
    const draft = withDefaults(secretKind, { ...stored, stringData: { a: "new", b: "two" } });
    expect(draft).not.toHaveProperty("stringData");
    expect(secretText(draft as Secret, "a")).toBe("new");
    expect(secretText(draft as Secret, "b")).toBe("two");
    expect(secretText(draft as Secret, "c")).toBeUndefined();
  });

  it("is shown with the names of its keys only", () => {
    const text = JSON.stringify(shown(stored));
    expect(text).not.toContain("s3cret");
    expect(text).not.toContain("czNjcmV0");
    expect(shown(stored)).toMatchObject({ data: { a: "********" }, metadata: { annotations: { b: "c" } } });
  });
});
