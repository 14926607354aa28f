import { describe, expect, it } from "vitest";
import { readIpEnds } from "./ip-packet.ts";
import { eachMessage, type Message, MessageWriter } from "./message.ts";
import { LogMessage, readLoggedPacket, writeLogBind } from "./packet-log.ts";

function written(type: number, build: (writer: MessageWriter) => void): Message {
  const writer = new MessageWriter().begin(type, 0, 0);
  build(writer);
  const bytes = Buffer.from(writer.finish());
  const found: Message[] = [];
  eachMessage(bytes, bytes.length, (message) => void found.push(message));
  return found[0]!;
}

/** 10.0.0.2 port 4660 to 10.0.0.1 port 80, TCP. */
const ipv4 = Buffer.from("45000028000040004006000" + "00a0000020a000001" + "12340050", "hex");

describe("the log of packets", () => {
  it("binds a group so that packets come whole, numbered and gathered", () => {
    const { bytes, from, to } = written(LogMessage.config, (writer) => writeLogBind(writer, 0x544c, 128));
    expect(bytes.toString("hex", from, to)).toBe(
      "0000544c" +
        "0500010001000000" +
        "0a000200000000800200" +
        "0000" +
        "080004000000000a" +
        "0800050000000040" +
        "0600060000010000",
    );
  });

  it("reads a packet's prefix, links and ends", () => {
    const message = written(LogMessage.packet, (writer) => {
      writer.u8(2).u8(0).u16be(0x544c);
      writer.attributeText(10, "trunkline ingress");
      writer.attributeU32be(4, 7);
      writer.attributeU32be(12, 42);
      writer.attribute(9, ipv4);
    });
    expect(readLoggedPacket(message)).toEqual({
      prefix: "trunkline ingress",
      inLink: 7,
      outLink: undefined,
      sequence: 42,
      ends: { source: "10.0.0.2", destination: "10.0.0.1", protocol: 6, sourcePort: 4660, port: 80 },
    });
    expect(readLoggedPacket({ ...message, type: LogMessage.config })).toBeUndefined();
  });
});

describe("the ends of a packet", () => {
  const six = (next: string, more: string) =>
    Buffer.from(
      `60000000${"0014"}${next}40fd00000000000000000000000000000${"2"}fd00000000000000000000000000000${"1"}${more}`,
      "hex",
    );

  it("have no ports in later fragments, nor where they were cut off", () => {
    const later = Buffer.from(ipv4);
    later.writeUInt16BE(0x2001, 6);
    expect(readIpEnds(later)).toEqual({ source: "10.0.0.2", destination: "10.0.0.1", protocol: 6 });
    expect(readIpEnds(ipv4.subarray(0, 22))).toEqual({
      source: "10.0.0.2",
      destination: "10.0.0.1",
      protocol: 6,
    });
  });

  it("are found behind IPv6's extension headers", () => {
    const plain = six("11", "12340035");
    expect(readIpEnds(plain)).toEqual({
      source: "fd00::2",
      destination: "fd00::1",
      protocol: 17,
      sourcePort: 4660,
      port: 53,
    });
    const behind = six("00", `3c00000000000000${"0600000000000000"}00160050`);
    expect(readIpEnds(behind)).toMatchObject({ protocol: 6, sourcePort: 22, port: 80 });
    const fragment = six("2c", "0600000800000001" + "00160050");
    expect(readIpEnds(fragment)).toEqual({ source: "fd00::2", destination: "fd00::1", protocol: 6 });
  });

  it("are nobody's where there is no IP header", () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from("45", "hex"),
      Buffer.from("6000", "hex"),
      Buffer.from("0102", "hex"),
    ])
      expect(readIpEnds(bytes)).toBeUndefined();
  });
});
