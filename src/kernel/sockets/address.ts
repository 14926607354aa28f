// The C structures of socket addresses (sockaddr_in, sockaddr_in6).
import { AF_INET, AF_INET6, addressBytes, addressText } from "../netlink/bytes.ts";

/** Returns the structure for an address and port. @throws `base.address` */
export function socketAddress(address: string, port: number): Buffer {
  const bytes = addressBytes(address);
  const out = Buffer.alloc(bytes.length === 4 ? 16 : 28);
  out.writeUInt16LE(bytes.length === 4 ? AF_INET : AF_INET6, 0);
  out.writeUInt16BE(port, 2);
  out.set(bytes, bytes.length === 4 ? 4 : 8);
  return out;
}

/** Reads the address out of such a structure. */
export function addressOf(bytes: Buffer): string {
  return bytes.readUInt16LE(0) === AF_INET
    ? addressText(bytes.subarray(4, 8))
    : addressText(bytes.subarray(8, 24));
}
