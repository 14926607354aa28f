import { describe, expect, it } from "vitest";
import type { Sockets } from "../../kernel/kernel.ts";
import { isSigned, SignatureWitness } from "./signature-witness.ts";

const SYN = 0x02;
const ACK = 0x10;
const md5 = [1, 1, 19, 18, ...new Uint8Array(16).fill(7)];
const mss = [2, 4, 5, 180];

/** A TCP segment with these flags and options. */
function segment(flags: number, options: readonly number[]): Uint8Array {
  const length = 20 + Math.ceil(options.length / 4) * 4;
  const bytes = new Uint8Array(length);
  bytes[12] = (length / 4) << 4;
  bytes[13] = flags;
  bytes.set(options, 20);
  return bytes;
}

describe("a segment", () => {
  it("tells of signatures where a connection begins", () => {
    expect(isSigned(segment(SYN, [...mss, ...md5]))).toBe(true);
    expect(isSigned(segment(SYN | ACK, [...mss, ...md5]))).toBe(true);
    expect(isSigned(segment(SYN, mss))).toBe(false);
    expect(isSigned(segment(SYN, []))).toBe(false);
    expect(isSigned(segment(ACK, md5))).toBeUndefined();
  });

  it("that is cut short or makes no sense ends somewhere", () => {
    expect(isSigned(new Uint8Array())).toBeUndefined();
    expect(isSigned(segment(SYN, [8, 0, 0, 0]))).toBe(false);
    expect(isSigned(segment(SYN, [0, 19, 18, 0]))).toBe(false);
    expect(isSigned(segment(SYN, [...mss, ...md5]).subarray(0, 22))).toBe(false);
  });
});

it("watches the peers that are named, and lets the others go", () => {
  const open = new Map<number, (packet: Uint8Array) => void>();
  let next = 3;
  let now = 0;
  const sockets = {
    openRaw: (_family: number, _protocol: number, { to }: { to: string }) => {
      if (to === "10.0.0.9") throw new Error("no route");
      return next++;
    },
    receiveRaw: (fd: number, onPacket: (packet: Uint8Array) => void) => {
      open.set(fd, onPacket);
      return { stop: () => open.delete(fd) };
    },
    close: () => {},
  } as unknown as Sockets;
  const witness = new SignatureWitness(sockets, () => now);
  witness.watch(new Set(["10.0.0.1", "fd00::1", "10.0.0.9"]));
  expect(open.size).toBe(2);
  expect(witness.of("10.0.0.9")).toBeUndefined();
  now = 5;
  // IPv4 comes with its header, IPv6 without.
  open.get(3)?.(Uint8Array.from([0x45, ...new Uint8Array(19), ...segment(SYN, [...mss, ...md5])]));
  open.get(4)?.(segment(SYN, mss));
  expect(witness.of("10.0.0.1")).toEqual({ since: 0, signedAt: 5 });
  expect(witness.of("fd00::1")).toEqual({ since: 0, unsignedAt: 5 });
  witness.watch(new Set(["fd00::1"]));
  expect(open.size).toBe(1);
  expect(witness.of("10.0.0.1")).toBeUndefined();
  expect(witness.of("fd00::1")).toEqual({ since: 0, unsignedAt: 5 });
  witness.watch(new Set());
  expect(open.size).toBe(0);
});
