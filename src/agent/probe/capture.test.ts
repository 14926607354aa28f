import { describe, expect, it } from "vitest";
import { announcement } from "../../kernel/sockets/announce.ts";
import { decodeFrame } from "./capture.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const ethernet4 = "ffffffffffff 020000000001 0800";
const syn =
  "4500003c 00004000 40060000 ac100105 cb00710a 9c40 0050 00000000 00000000 a002 faf0 0000 0000 020405b4 00000000 00000000 00000000";

describe("decoding frames", () => {
  it("reads a TCP SYN", () => {
    expect(decodeFrame(hex(ethernet4 + syn))).toEqual({
      source: "172.16.1.5",
      destination: "203.0.113.10",
      ttl: 64,
      protocol: "TCP",
      sourcePort: 40_000,
      destinationPort: 80,
      flags: "SYN",
    });
  });

  it("looks behind VLAN tags", () => {
    expect(decodeFrame(hex(`ffffffffffff 020000000001 8100 0064 0800${syn}`))?.destinationPort).toBe(80);
  });

  it("reads an IPv6 neighbour advertisement, as it is sent to announce an address", () => {
    expect(decodeFrame(announcement("fd18::250", "02:00:00:00:00:01"))).toMatchObject({
      source: "fd18::250",
      destination: "ff02::1",
      ttl: 255,
      protocol: "ICMPv6",
      sourcePort: null,
      flags: null,
    });
  });

  it("passes over ARP and what is cut off", () => {
    expect(decodeFrame(announcement("192.168.18.250", "02:00:00:00:00:01"))).toBeUndefined();
    for (let length = 0; length < 34; length++)
      expect(decodeFrame(hex(ethernet4 + syn).subarray(0, length))).toBeUndefined();
  });

  it("takes no ports from later fragments", () => {
    const fragment = syn.replace("00004000", "00000010");
    expect(decodeFrame(hex(ethernet4 + fragment))).toMatchObject({ sourcePort: null, destinationPort: null });
  });
});
