import { describe, expect, it } from "vitest";
import { readSelector } from "./selector.ts";

describe("selectors that say the same", () => {
  const [tier, app] = [
    { key: "tier", operator: "Exists" },
    { key: "app", operator: "In", values: ["b", "a"] },
  ];
  const turned = { key: "app", operator: "In", values: ["a", "b", "a"] };

  it.each([
    ["in another order", [tier, app], [app, tier]],
    ["twice", [tier, app, tier, app], [tier, app]],
    ["with values in another order, and twice", [tier, app], [turned, tier]],
  ])("are one, whichever is read first: %s", (_, first, second) => {
    const selector = readSelector({ matchExpressions: first });
    expect(readSelector({ matchExpressions: second })).toBe(selector);
    expect(selector).toMatchObject({ requirements: [{ key: "app" }, { key: "tier" }] });
  });
});
