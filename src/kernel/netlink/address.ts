// rtnetlink's address messages (rtnetlink(7), linux/if_addr.h).
import type { LinkAddress } from "../kernel.ts";
import { addressBytes, addressText, familyNumber, prefixOf } from "./bytes.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

export const AddressMessage = { new: 20, delete: 21, get: 22 } as const;

const IFA = { address: 1, local: 2, broadcast: 4, cacheInfo: 6, flags: 8 } as const;
const IFA_F_NODAD = 2;
const IFA_F_OPTIMISTIC = 4;
const IFA_F_DEPRECATED = 0x20;
const IFA_F_TENTATIVE = 0x40;
const scopes = { global: 0, link: 253, host: 254 } as const;

/** Writes the body of a request that adds or removes an address. */
export function writeAddress(writer: MessageWriter, address: LinkAddress): void {
  const prefix = prefixOf(address.address);
  const flags = address.noDad ? IFA_F_NODAD : 0;
  writer.u8(familyNumber(prefix.family)).u8(prefix.length).u8(flags).u8(scopes[address.scope]);
  writer.u32(address.linkIndex);
  writer.attribute(IFA.local, prefix.bytes).attribute(IFA.address, prefix.bytes);
  if (address.broadcast !== undefined) writer.attribute(IFA.broadcast, addressBytes(address.broadcast));
  if (address.validSeconds !== undefined) {
    // struct ifa_cacheinfo: preferred and valid seconds, then two times that only the kernel sets.
    const cacheInfo = Buffer.alloc(16);
    cacheInfo.writeUInt32LE(address.validSeconds, 4);
    writer.attribute(IFA.cacheInfo, cacheInfo);
  }
}

/** Writes the body of a dump request, for one link or all. */
export function writeAddressQuery(writer: MessageWriter, linkIndex = 0): void {
  writer.u8(0).u8(0).u8(0).u8(0).u32(linkIndex);
}

const attributes = new Attributes();

/** Reads an address message. */
export function readAddress({ bytes, from, to }: Message): LinkAddress {
  attributes.read(bytes, from + 8, to);
  // On a point-to-point link `address` is the other end's; IPv6 has only `address`.
  const own = attributes.view(IFA.local) ?? attributes.view(IFA.address);
  const broadcast = attributes.view(IFA.broadcast);
  const flags = attributes.u32(IFA.flags) ?? bytes[from + 2]!;
  const scope = bytes[from + 3]!;
  return {
    linkIndex: bytes.readUInt32LE(from + 4),
    address: `${own ? addressText(own) : ""}/${bytes[from + 1]}`,
    scope: scope >= scopes.host ? "host" : scope >= scopes.link ? "link" : "global",
    ...(broadcast && { broadcast: addressText(broadcast) }),
    ...((flags & IFA_F_NODAD) !== 0 && { noDad: true }),
    ...((flags & IFA_F_DEPRECATED) !== 0 && { deprecated: true }),
    ...((flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) === IFA_F_TENTATIVE && { tentative: true }),
  };
}
