import { Command, type Option } from "commander";
import { describe, expect, it } from "vitest";
import { addressCooldownOption, probeTimeoutOption } from "./options.ts";

function valueGiven(option: Option, text: string): unknown {
  const command = new Command()
    .addOption(option)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse([option.long ?? "", text], { from: "user" }).opts()[option.attributeName()];
}
const timeoutOf = (text: string) => valueGiven(probeTimeoutOption(), text);
const cooldownOf = (text: string) => valueGiven(addressCooldownOption(), text);

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

describe("agent --address-cooldown", () => {
  it.each([
    ["0s", 0],
    ["0", 0],
    ["500ms", 500],
    ["30s", 30_000],
    ["1m30s", 90_000],
    ["1h", 3_600_000],
  ])("takes %s", (text, expected) => {
    expect(cooldownOf(text)).toBe(expected);
  });

  it.each(["30", "-1s", "1h1ms", "soon", "", "30 s", "1d", "1e3s"])("refuses '%s'", (text) => {
    expect(() => cooldownOf(text)).toThrow("must be a time from 0s to 1h with its unit, such as 30s");
  });
});
