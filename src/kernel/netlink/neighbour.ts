// rtnetlink's neighbour messages (rtnetlink(7), linux/neighbour.h): ARP/ND entries, proxies, forwarding entries.
import type { Neighbour } from "../kernel.ts";
import {
  AF_BRIDGE,
  addressBytes,
  addressText,
  familyNumber,
  familyOfText,
  macBytes,
  macText,
} from "./bytes.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

export const NeighbourMessage = { new: 28, delete: 29, get: 30 } as const;

const NDA = { destination: 1, mac: 2, interfaceIndex: 8 } as const;
const NTF_SELF = 2;
const NTF_PROXY = 8;
const stateNumbers = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
  other: 0,
} as const;
const stateNames = new Map<number, Neighbour["state"]>(
  Object.entries(stateNumbers).map(([name, number]) => [number, name as Neighbour["state"]]),
);

/** Writes the body of a request that adds, replaces or removes an entry. */
export function writeNeighbour(writer: MessageWriter, neighbour: Neighbour): void {
  const family = neighbour.fdb ? AF_BRIDGE : familyNumber(familyOfText(neighbour.address));
  const flags = (neighbour.fdb ? NTF_SELF : 0) | (neighbour.proxy ? NTF_PROXY : 0);
  writer.u8(family).u8(0).u16(0).u32(neighbour.linkIndex);
  writer.u16(stateNumbers[neighbour.state]).u8(flags).u8(0);
  if (neighbour.address !== "") writer.attribute(NDA.destination, addressBytes(neighbour.address));
  if (neighbour.mac !== undefined) writer.attribute(NDA.mac, macBytes(neighbour.mac));
}

/** Writes the body of a dump request. */
export function writeNeighbourQuery(
  writer: MessageWriter,
  { fdb = false, proxy = false, linkIndex }: { linkIndex?: number; fdb?: boolean; proxy?: boolean },
): void {
  writer
    .u8(fdb ? AF_BRIDGE : 0)
    .u8(0)
    .u16(0)
    .u32(fdb ? (linkIndex ?? 0) : 0);
  writer
    .u16(0)
    .u8(proxy ? NTF_PROXY : 0)
    .u8(0);
  if (!fdb && linkIndex !== undefined) writer.attributeU32(NDA.interfaceIndex, linkIndex);
}

const attributes = new Attributes();

/** Reads a neighbour message. */
export function readNeighbour({ bytes, from, to }: Message): Neighbour {
  attributes.read(bytes, from + 12, to);
  const address = attributes.view(NDA.destination);
  const mac = attributes.view(NDA.mac);
  const flags = bytes[from + 10]!;
  return {
    linkIndex: bytes.readInt32LE(from + 4),
    address: address ? addressText(address) : "",
    ...(mac && mac.length === 6 && { mac: macText(mac) }),
    state: stateNames.get(bytes.readUInt16LE(from + 8)) ?? "other",
    ...((flags & NTF_PROXY) !== 0 && { proxy: true }),
    ...(bytes[from] === AF_BRIDGE && { fdb: true }),
  };
}
