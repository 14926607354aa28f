// What a table in the kernel is made of, by name, over netlink. nft's own listings of sets and maps read every element of
// every table of the family first; the kernel tells names without them. Of chains it has no list for one table alone.

import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { NftHeading, NftPresent } from "../kernel.ts";
import { Attributes, type Message } from "../netlink/message.ts";
import { NFGENMSG_LENGTH, nftFamilies, nftMessage } from "../netlink/nftables.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";

const GET_TABLE = nftMessage(1);
const GET_CHAIN = nftMessage(4);
const GET_SET = nftMessage(10);
/** NFTA_TABLE_…, NFTA_CHAIN_…, NFTA_SET_… (linux/netfilter/nf_tables.h). In each of them the table's name is attribute 1. */
const Attribute = { table: 1, chainName: 3, setName: 2, setFlags: 3 } as const;
const SetFlag = { anonymous: 0x1, map: 0x8 } as const;

const attempt = (): string => "read what a table of nftables has";
const attributes = new Attributes();

/** Reads the names of a table's chains, sets and maps; undefined where there is no such table. */
export function readPresent(socket: NetlinkSocket, heading: NftHeading): NftPresent | undefined {
  if (!isThere(socket, GET_TABLE, heading)) return undefined;
  const found = { chains: [] as string[], sets: [] as string[], maps: [] as string[] };
  const ofTable = (message: Message): Attributes | undefined => {
    const read = attributes.read(message.bytes, message.from + NFGENMSG_LENGTH, message.to);
    return read.text(Attribute.table) === heading.table ? read : undefined;
  };
  dump(
    socket,
    GET_CHAIN,
    heading,
    (message) => {
      const name = ofTable(message)?.text(Attribute.chainName);
      if (name !== undefined) found.chains.push(name);
    },
    () => {
      found.chains = [];
    },
  );
  dump(
    socket,
    GET_SET,
    heading,
    (message) => {
      const set = ofTable(message);
      const flags = set?.u32be(Attribute.setFlags) ?? 0;
      const name = set?.text(Attribute.setName);
      // One that a rule has for itself goes with its rule.
      if (name === undefined || (flags & SetFlag.anonymous) !== 0) return;
      ((flags & SetFlag.map) === 0 ? found.sets : found.maps).push(name);
    },
    () => {
      found.sets = [];
      found.maps = [];
    },
  );
  return found;
}

/** Asks for one chain by its name. */
export function hasChain(socket: NetlinkSocket, heading: NftHeading, chain: string): boolean {
  return isThere(socket, GET_CHAIN, heading, chain);
}

function isThere(socket: NetlinkSocket, type: number, heading: NftHeading, chain?: string): boolean {
  const { errno, text } = socket.tryRequest(
    type,
    0,
    (writer) => {
      writer.u8(nftFamilies[heading.family]).u8(0).u16be(0).attributeText(Attribute.table, heading.table);
      if (chain !== undefined) writer.attributeText(Attribute.chainName, chain);
    },
    attempt,
  );
  if (errno === 0) return true;
  if (errno === Errno.ENOENT) return false;
  throw refusal(attempt(), errno, text);
}

/** Lists objects of the table's family; a table that has gone meanwhile has none. */
function dump(
  socket: NetlinkSocket,
  type: number,
  { family, table }: NftHeading,
  visit: (message: Message) => void,
  restart: () => void,
): void {
  const { errno, text } = socket.dump(
    type,
    (writer) => writer.u8(nftFamilies[family]).u8(0).u16be(0).attributeText(Attribute.table, table),
    attempt,
    visit,
    restart,
  );
  if (errno !== 0 && errno !== Errno.ENOENT) throw refusal(attempt(), errno, text);
}
