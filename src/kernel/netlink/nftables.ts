// What all of nftables' messages have in common (linux/netfilter/nf_tables.h), and its notifications: which table a message
// is about.
import type { NftHeading } from "../kernel.ts";
import { Attributes, type Message } from "./message.ts";

export const NFNLGRP_NFTABLES = 7;
export const SUBSYSTEM_NFTABLES = 10;
const NEW_GENERATION = 15;
/** struct nfgenmsg: family, version, resource id. */
export const NFGENMSG_LENGTH = 4;

/** NFPROTO_… (linux/netfilter.h). */
export const nftFamilies: Readonly<Record<NftHeading["family"], number>> = {
  inet: 1,
  ip: 2,
  netdev: 5,
  bridge: 7,
  ip6: 10,
};

/** Returns the netlink type of an NFT_MSG_…. */
export function nftMessage(message: number): number {
  return (SUBSYSTEM_NFTABLES << 8) | message;
}

/** In every kind of nftables message but the generation's the table's name is attribute 1. */
const TABLE = 1;

const attributes = new Attributes();

export type NftNotice =
  | { readonly kind: "object"; readonly table: string | undefined }
  | { readonly kind: "end" };

/** Reads a notification; "end" closes a transaction. Undefined for other subsystems. */
export function readNftNotice(message: Message): NftNotice | undefined {
  if (message.type >> 8 !== SUBSYSTEM_NFTABLES) return undefined;
  if ((message.type & 0xff) === NEW_GENERATION) return { kind: "end" };
  attributes.read(message.bytes, message.from + NFGENMSG_LENGTH, message.to);
  return { kind: "object", table: attributes.text(TABLE) };
}
