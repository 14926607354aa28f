import { describe, expect, it } from "vitest";
import { echoRequest, isEchoReply, refusedBy } from "./icmp.ts";

const start = Buffer.from("0102030405060708", "hex");
const sent = { to: "10.0.0.9", protocol: 132, mark: { offset: 0, bytes: start } };

function quoted4(protocol = 132, payload = start, to = [10, 0, 0, 9]): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header[9] = protocol;
  header.set(to, 16);
  return Buffer.concat([header, payload]);
}
const error = (type: number, code: number, quote: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), quote]);

describe("ICMP", () => {
  it("knows its own echo replies", () => {
    const request = Buffer.from(echoRequest(4, 77));
    const reply = Buffer.from(request);
    reply[0] = 0;
    expect(isEchoReply(4, reply, 77)).toBe(true);
    expect(isEchoReply(4, reply, 78)).toBe(false);
    expect(isEchoReply(4, request, 77)).toBe(false);
  });

  it("has a checksum that makes the whole sum to all ones", () => {
    const bytes = Buffer.from(echoRequest(4, 0xbeef));
    let sum = 0;
    for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
    expect((sum & 0xffff) + (sum >>> 16)).toBe(0xffff);
  });

  it.each([
    ["port unreachable", error(3, 3, quoted4()), "closed"],
    ["protocol unreachable", error(3, 2, quoted4()), "closed"],
    ["host unreachable", error(3, 1, quoted4()), "unreachable"],
    ["administratively prohibited", error(3, 13, quoted4()), "unreachable"],
    ["time exceeded", error(11, 0, quoted4()), undefined],
    ["another packet's", error(3, 3, quoted4(132, Buffer.from("ffffffffffffffff", "hex"))), undefined],
    ["one about another target", error(3, 3, quoted4(132, start, [10, 0, 0, 8])), undefined],
    ["another protocol's", error(3, 3, quoted4(17)), undefined],
    ["one that is cut short", error(3, 3, quoted4().subarray(0, 24)), undefined],
  ])("reads %s", (_what, message, expected) => {
    expect(refusedBy(4, message, sent)).toBe(expected);
  });

  it("reads ICMPv6's unknown next header as closed", () => {
    const header = Buffer.alloc(40);
    header[6] = 132;
    header[24] = 0xfd;
    header[39] = 9;
    const quote = Buffer.concat([header, start]);
    const sent6 = { ...sent, to: "fd00::9" };
    expect(refusedBy(6, error(4, 1, quote), sent6)).toBe("closed");
    expect(refusedBy(6, error(4, 0, quote), sent6)).toBeUndefined();
    expect(refusedBy(6, error(1, 1, quote), sent6)).toBe("unreachable");
  });
});
