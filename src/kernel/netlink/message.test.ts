import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Attributes, eachMessage, Flag, type Message, MessageWriter, readAck, readDone } from "./message.ts";

function messagesOf(bytes: Buffer): Message[] {
  const found: Message[] = [];
  eachMessage(bytes, bytes.length, (message) => {
    found.push(message);
    return undefined;
  });
  return found;
}

describe("MessageWriter", () => {
  it("writes header, body and padded attributes", () => {
    const bytes = new MessageWriter()
      .begin(16, Flag.request | Flag.ack, 7)
      .u8(1)
      .u8(2)
      .u16(0x0304)
      .attributeText(3, "lo")
      .attributeU32(4, 1500)
      .attributeU16be(15, 4789)
      .finish();
    expect(bytes.toString("hex")).toBe(
      [
        "2c000000", // length 44
        "1000", // type
        "0500", // flags
        "07000000", // sequence
        "00000000", // port
        "01020403",
        "07000300", // 4 + "lo\0"
        "6c6f0000",
        "08000400",
        "dc050000",
        "06000f00",
        "12b50000",
      ].join(""),
    );
  });

  it("closes a nest with its length and marks it as one", () => {
    const writer = new MessageWriter();
    const bytes = writer
      .begin(16, 0, 0)
      .nest(18, () => writer.attributeText(1, "veth"))
      .finish();
    expect(bytes.subarray(16).toString("hex")).toBe(["10001280", "09000100", "7665746800000000"].join(""));
  });

  it("grows, and starts anew with each message", () => {
    const writer = new MessageWriter(16);
    const large = Buffer.from(writer.begin(1, 0, 0).attribute(1, Buffer.alloc(1000, 0xff)).finish());
    const small = writer.begin(1, 0, 0).attributeU8(1, 5).finish();
    expect(large).toHaveLength(16 + 4 + 1000);
    expect(small.subarray(16).toString("hex")).toBe("0500010005000000");
  });

  it("is read back as it was written, whatever the attributes", () => {
    const attributes = fc.uniqueArray(
      fc.record({ type: fc.integer({ min: 1, max: 100 }), value: fc.uint8Array({ maxLength: 40 }) }),
      { selector: (attribute) => attribute.type, maxLength: 20 },
    );
    fc.assert(
      fc.property(attributes, (list) => {
        const writer = new MessageWriter(20).begin(5, 6, 7);
        for (const { type, value } of list) writer.attribute(type, value);
        const [message] = messagesOf(Buffer.from(writer.finish()));
        expect(message).toMatchObject({ type: 5, flags: 6, sequence: 7, port: 0 });
        const found = new Attributes().read(message!.bytes, message!.from, message!.to);
        for (const { type, value } of list) expect(new Uint8Array(found.view(type)!)).toEqual(value);
        for (let type = 1; type <= 100; type++)
          expect(found.has(type)).toBe(list.some((one) => one.type === type));
      }),
    );
  });
});

describe("eachMessage", () => {
  it("takes what is whole, whatever comes after it", () => {
    const one = Buffer.from(new MessageWriter().begin(1, 0, 0).u32(9).finish());
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (rest) => {
        const found = messagesOf(Buffer.concat([one, rest]));
        expect(found[0]).toMatchObject({ type: 1, from: 16, to: 20 });
        for (const { from, to } of found) expect(to).toBeGreaterThanOrEqual(from);
      }),
    );
  });

  it("stops where it is told to", () => {
    const one = Buffer.from(new MessageWriter().begin(1, 0, 0).finish());
    let seen = 0;
    eachMessage(Buffer.concat([one, one]), 32, () => ++seen < 1);
    expect(seen).toBe(1);
  });
});

describe("Attributes", () => {
  it("forgets the former message, and takes nothing from lengths that lie", () => {
    const kept = new Attributes().read(Buffer.from("0800010001000000", "hex"), 0, 8);
    expect(kept.u32(1)).toBe(1);
    kept.read(Buffer.from("0900020001000000", "hex"), 0, 8);
    expect(kept.has(1)).toBe(false);
    expect(kept.has(2)).toBe(false);
    kept.read(Buffer.from("0500030001000000", "hex"), 0, 8);
    expect(kept.u8(3)).toBe(1);
    expect(kept.u32(3)).toBeUndefined();
  });

  it("reads big-endian numbers and texts", () => {
    const found = new Attributes().read(Buffer.from("0600010012b500000800020065746800", "hex"), 0, 16);
    expect(found.u16be(1)).toBe(4789);
    expect(found.text(2)).toBe("eth");
  });
});

describe("acknowledgements", () => {
  const acknowledged = (flags: number, hex: string): Message => {
    const header = Buffer.alloc(16);
    const body = Buffer.from(hex, "hex");
    header.writeUInt32LE(16 + body.length, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(flags, 6);
    return messagesOf(Buffer.concat([header, body]))[0]!;
  };
  const original = "20000000".padEnd(32, "0");

  it("are zero for success", () => {
    expect(readAck(acknowledged(Flag.capped, `00000000${original}`))).toEqual({ errno: 0, text: undefined });
  });

  it("carry the errno and the kernel's own text", () => {
    const text = "08000100626164" + "00";
    const ack = acknowledged(Flag.capped | Flag.ackAttributes, `eaffffff${original}${text}`);
    expect(readAck(ack)).toEqual({ errno: 22, text: "bad" });
  });

  it("stand behind the whole request where the socket did not ask for short ones", () => {
    const payload = "".padEnd(32, "0");
    const ack = acknowledged(Flag.ackAttributes, `eaffffff${original}${payload}0800010062616400`);
    expect(readAck(ack)).toEqual({ errno: 22, text: "bad" });
  });

  it("come at the end of a dump without a copied header", () => {
    expect(readDone(acknowledged(Flag.ackAttributes, "feffffff0800010062616400"))).toEqual({
      errno: 2,
      text: "bad",
    });
    expect(readDone(acknowledged(0, ""))).toEqual({ errno: 0, text: undefined });
  });
});
