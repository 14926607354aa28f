import { describe, expect, it } from "vitest";
import { addressProbe, announcement, claimant } from "./announce.ts";

const mac = "02:00:00:00:00:01";
const addresses = ["192.168.18.250", "fd18::250"];

describe("frames about an address", () => {
  it.each(addresses)("of %s: an announcement claims it for whom it names, whoever sends it", (address) => {
    expect(claimant(announcement(address, mac), address)).toBe(mac);
    const told = announcement(address, mac, "02:00:00:00:00:02");
    expect(Buffer.from(told.subarray(6, 12)).toString("hex")).toBe("020000000002");
    expect(
      claimant(announcement(address, mac), address === addresses[0] ? "192.168.18.251" : "fd18::251"),
    ).toBe(undefined);
  });

  it.each(addresses)("of %s: a probe claims it for its sender, and teaches neighbours nothing", (address) => {
    const probe = Buffer.from(addressProbe(address, mac));
    expect(claimant(probe, address)).toBe(mac);
    const source = address.includes(":") ? probe.subarray(22, 38) : probe.subarray(28, 32);
    expect(source.every((byte) => byte === 0)).toBe(true);
  });

  it("goes to the solicited-node group of the address", () => {
    const probe = Buffer.from(addressProbe("fd18::12:3456", mac));
    expect(probe.toString("hex", 0, 6)).toBe("3333ff123456");
    expect(probe.toString("hex", 38, 54)).toBe("ff0200000000000000000001ff123456");
  });

  it.each(["", "ff", "00".repeat(41), "00".repeat(80)])("reads nothing out of %s", (hex) => {
    for (const address of addresses) expect(claimant(Buffer.from(hex, "hex"), address)).toBeUndefined();
  });
});
