// Addresses between text and the kernel's bytes. The common IPv4 path avoids bigint: it runs for every route of a dump.

import { TrunklineError } from "../../base/errors.ts";
import { cidrOf, familyBits, formatIp, parseIp } from "../../base/ip.ts";

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_BRIDGE = 7;

/** Returns AF_INET or AF_INET6. */
export function familyNumber(family: 4 | 6): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** Returns 4 or 6 from the kernel's number, undefined for any other family. */
export function familyOfNumber(number: number): 4 | 6 | undefined {
  return number === AF_INET ? 4 : number === AF_INET6 ? 6 : undefined;
}

export function familyOfText(text: string): 4 | 6 {
  return text.includes(":") ? 6 : 4;
}

/** Returns an address's 4 or 16 bytes. @throws `base.address` */
export function addressBytes(text: string): Buffer {
  const ip = parseIp(text);
  const bytes = Buffer.alloc(ip.family === 4 ? 4 : 16);
  if (ip.family === 4) {
    bytes.writeUInt32BE(Number(ip.value));
  } else {
    bytes.writeBigUInt64BE(ip.value >> 64n, 0);
    bytes.writeBigUInt64BE(ip.value & 0xffffffffffffffffn, 8);
  }
  return bytes;
}

/** Returns the canonical text of 4 or 16 bytes. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return formatIp({ family: 6, value });
}

export interface Prefix {
  readonly family: 4 | 6;
  readonly bytes: Buffer;
  readonly length: number;
}

/**
 * Splits `address/length`; host bits may be set (an interface's address has them). Without a length it is one address.
 * @throws `base.address`, `base.cidr`
 */
export function prefixOf(text: string): Prefix {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  const family = familyOfText(address);
  const bits = familyBits(family);
  const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : -1;
  if (length < 0 || length > bits) {
    throw new TrunklineError("base.cidr", {
      text,
      why: `the prefix length must be a number from 0 to ${bits}`,
    });
  }
  return { family, bytes: addressBytes(address), length };
}

/** Returns the same prefix with its host bits cleared, as `address/length`. */
export function networkText(text: string): string {
  const slash = text.indexOf("/");
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  const length = slash < 0 ? familyBits(ip.family) : Number(text.slice(slash + 1));
  return `${formatIp({ family: ip.family, value: cidrOf(ip, length).base })}/${length}`;
}

/** Returns six bytes from `aa:bb:cc:dd:ee:ff`. @throws `kernel.mac` */
export function macBytes(text: string): Buffer {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) throw new TrunklineError("kernel.mac", { text });
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
