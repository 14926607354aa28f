import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c } from "./crc32c.ts";
import { decodeSctp, encodeSctp } from "./sctp.ts";

const port = fc.integer({ min: 1, max: 65535 });
const tag = fc.integer({ min: 0, max: 0xffffffff });

describe("crc32c", () => {
  it("gives the check values of RFC 3720, appendix B.4", () => {
    expect(crc32c(new Uint8Array(32)).toString(16)).toBe("8a9136aa");
    expect(crc32c(new Uint8Array(32).fill(0xff)).toString(16)).toBe("62a8ab43");
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at)).toString(16)).toBe("46dd794e");
    expect(crc32c(Buffer.from("123456789")).toString(16)).toBe("e3069283");
  });
});

describe("SCTP packets", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(
        port,
        port,
        tag,
        tag,
        fc.uint8Array({ maxLength: 60 }),
        (from, to, own, initiateTag, cookie) => {
          const common = { sourcePort: from, destinationPort: to, tag: own };
          for (const chunk of [
            { type: "init", initiateTag } as const,
            { type: "init-ack", initiateTag, cookie } as const,
            { type: "abort" } as const,
          ]) {
            const decoded = decodeSctp(encodeSctp({ ...common, chunk }));
            const plain =
              decoded?.chunk.type === "init-ack" ? Uint8Array.from(decoded.chunk.cookie) : undefined;
            expect({ ...decoded, chunk: { ...decoded?.chunk, ...(plain && { cookie: plain }) } }).toEqual({
              ...common,
              chunk,
            });
          }
        },
      ),
    );
  });

  it("are refused when a bit is wrong or bytes are missing", () => {
    const good = encodeSctp({
      sourcePort: 1,
      destinationPort: 2,
      tag: 0,
      chunk: { type: "init", initiateTag: 7 },
    });
    for (let at = 0; at < good.length; at++) {
      const bad = Uint8Array.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      expect(decodeSctp(bad)).toBeUndefined();
    }
    expect(decodeSctp(good.subarray(0, 15))).toBeUndefined();
  });

  it("state lengths without padding, in multiples of four bytes on the wire", () => {
    const bytes = Buffer.from(
      encodeSctp({
        sourcePort: 1,
        destinationPort: 2,
        tag: 9,
        chunk: { type: "init-ack", initiateTag: 7, cookie: Buffer.from("10.0.0.1") },
      }),
    );
    expect(bytes.length % 4).toBe(0);
    expect(bytes.readUInt16BE(14)).toBe(4 + 16 + 4 + 8);
  });
});
