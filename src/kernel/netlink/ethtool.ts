// ethtool's generic netlink messages (linux/ethtool_netlink.h): switching a link's features.
import { Attributes, type Message, type MessageWriter } from "./message.ts";

/** Generic netlink's controller (linux/genetlink.h), which tells a family's number by its name. */
export const GENERIC_CONTROLLER = 16;
const CONTROL_GET_FAMILY = 3;
const CONTROL_FAMILY_ID = 1;
const CONTROL_FAMILY_NAME = 2;
const VERSION = 1;
const FAMILY = "ethtool";

const FEATURES_SET = 12;
const FEATURES_HEADER = 1;
const FEATURES_WANTED = 3;
const HEADER_DEVICE_INDEX = 1;
const HEADER_FLAGS = 3;
const OMIT_REPLY = 2;
const BITSET_BITS = 3;
const BITSET_BIT = 1;
const BIT_NAME = 2;
const BIT_VALUE = 3;

/** Writes the question for ethtool's number. */
export function writeFamilyQuery(writer: MessageWriter): void {
  writer.u8(CONTROL_GET_FAMILY).u8(VERSION).u16(0);
  writer.attributeText(CONTROL_FAMILY_NAME, FAMILY);
}

const attributes = new Attributes();

/** Reads the answer. */
export function readFamily({ bytes, from, to }: Message): number | undefined {
  attributes.read(bytes, from + 4, to);
  return attributes.u16(CONTROL_FAMILY_ID);
}

/** Writes the body of a request that switches features by their names, such as `tx-checksum-ip-generic`. */
export function writeFeatures(
  writer: MessageWriter,
  linkIndex: number,
  features: Readonly<Record<string, boolean>>,
): void {
  writer.u8(FEATURES_SET).u8(VERSION).u16(0);
  writer.nest(FEATURES_HEADER, () => {
    writer.attributeU32(HEADER_DEVICE_INDEX, linkIndex).attributeU32(HEADER_FLAGS, OMIT_REPLY);
  });
  writer.nest(FEATURES_WANTED, () =>
    writer.nest(BITSET_BITS, () => {
      for (const [name, on] of Object.entries(features)) {
        writer.nest(BITSET_BIT, () => {
          writer.attributeText(BIT_NAME, name);
          if (on) writer.attribute(BIT_VALUE, new Uint8Array());
        });
      }
    }),
  );
}
