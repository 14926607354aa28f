// rtnetlink's messages of IPv6's policy table for choosing sources (ip-addrlabel(8), linux/if_addrlabel.h).
import type { AddressLabel } from "../kernel.ts";
import { AF_INET6, addressText } from "./bytes.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

export const AddressLabelMessage = { get: 74 } as const;

const IFAL = { address: 1, label: 2 } as const;
/** struct ifaddrlblmsg: family, length and link, and then attributes. */
const HEADER_BYTES = 12;

/** Writes the body of a dump request. */
export function writeAddressLabelQuery(writer: MessageWriter): void {
  writer.u8(AF_INET6).u8(0).u8(0).u8(0).u32(0).u32(0);
}

const attributes = new Attributes();

/** Reads an entry; undefined for messages of other families. */
export function readAddressLabel({ bytes, from, to }: Message): AddressLabel | undefined {
  if (bytes[from] !== AF_INET6) return undefined;
  attributes.read(bytes, from + HEADER_BYTES, to);
  const address = attributes.view(IFAL.address);
  const label = attributes.u32(IFAL.label);
  if (!address || label === undefined) return undefined;
  const linkIndex = bytes.readUInt32LE(from + 4);
  return {
    range: `${addressText(address)}/${bytes[from + 2]}`,
    label,
    ...(linkIndex !== 0 && { linkIndex }),
  };
}
