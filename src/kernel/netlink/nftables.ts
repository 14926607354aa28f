// nftables' notifications (linux/netfilter/nf_tables.h): which table a message is about.
import { Attributes, type Message } from "./message.ts";

export const NFNLGRP_NFTABLES = 7;
export const SUBSYSTEM_NFTABLES = 10;
const NEW_GENERATION = 15;
const NFGENMSG_LENGTH = 4;
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
