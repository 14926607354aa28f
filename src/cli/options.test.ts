import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { probeTimeoutOption } from "./options.ts";

function timeoutOf(text: string): unknown {
  const command = new Command()
    .addOption(probeTimeoutOption())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(["--timeout", text], { from: "user" }).opts()["timeout"];
}

describe("probe --timeout", () => {
  it.each([
    ["400", 400],
    ["1", 1],
    ["60000", 60_000],
    ["400ms", 400],
    ["2s", 2000],
    ["1.5s", 1500],
    ["1m", 60_000],
  ])("takes %s", (text, expected) => {
    expect(timeoutOf(text)).toBe(expected);
  });

  it.each(["0", "-5", "60001", "2m", "soon", "", "1e3", "0x10", "0.2ms", "2 s", "10d"])(
    "refuses '%s'",
    (text) => {
      expect(() => timeoutOf(text)).toThrow("such as 500ms or 2s");
    },
  );
});
