// Schemas of Trunkline's own kinds.

import * as z from "zod";
import {
  address,
  cidr,
  complain,
  counted,
  instant,
  keyedList,
  list,
  portNumber,
  readAddress,
  readRange,
  someText,
  text,
  whole,
} from "../../forms.ts";
import { boundedSelector, conditions, fields, metadata, protocol, schemaOf } from "../../schema.ts";
import { cel, tell } from "../../told.ts";
import type { AddressBlock } from "../address-block.ts";
import type { Host } from "../host.ts";
import type { SourceNAT } from "../source-nat.ts";

/** The largest block has 4096 addresses; of nodes there are a few thousand. */
const mostEntries = 16_384;
const repeated = "addressblock.repeated";

export const addressBlockSchema = schemaOf<AddressBlock>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("AddressBlock"),
    metadata: metadata(),
    spec: fields({
      cidr,
      pool: someText,
      node: someText,
      state: z.enum(["pending", "confirmed", "releasing"]),
      loans: keyedList(
        fields({
          address,
          node: someText,
          seq: counted.exactOptional(),
          returned: z.boolean().exactOptional(),
        }),
        ["address"],
        mostEntries,
        repeated,
      ).exactOptional(),
      requests: keyedList(
        fields({ node: someText, count: counted, address: address.exactOptional(), at: instant }),
        ["node"],
        mostEntries,
        repeated,
      ).exactOptional(),
      releases: keyedList(
        fields({ address, node: someText, seq: counted, at: instant }),
        ["address"],
        mostEntries,
        repeated,
      ).exactOptional(),
    }),
    status: fields({
      used: z.number().exactOptional(),
      free: z.number().exactOptional(),
      cooling: z.number().exactOptional(),
    }).exactOptional(),
  }),
);

export const hostSchema = schemaOf<Host>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("Host"),
    metadata: metadata(),
    spec: fields({
      addresses: list(address, 1024),
      ports: list(fields({ port: portNumber, protocol: protocol.exactOptional() }), 1024).exactOptional(),
      admit: list(cidr, 16_384).exactOptional(),
      role: z.enum(["host", "router"]).exactOptional(),
    }),
  }),
);

const addressOrRange = text("schema.address", (value) =>
  readAddress(value) || readRange(value) || isSpan(value)
    ? undefined
    : `'${value}' is not an address, a range such as 10.0.0.0/28, or FIRST-LAST`,
);

function isSpan(value: string): boolean {
  const [first = "", last = "", ...more] = value.split("-");
  const [low, high] = [readAddress(first), readAddress(last)];
  return more.length === 0 && low?.family === high?.family && low !== undefined && low.value <= high!.value;
}

const mostAddresses = 128;
/** Which of two addresses is the lower one CEL cannot tell; whoever uses them does. */
const isSpanToServers =
  "a.matches('^[0-9A-Fa-f.:]+-[0-9A-Fa-f.:]+$') && isIP(a.substring(0, a.indexOf('-'))) && isIP(a.substring(a.indexOf('-') + 1))";

// Only one of the alternatives has addresses: what they may be is told of the whole, as others may hold anything under that name.
const action = tell(
  z.discriminatedUnion("type", [
    fields({ type: z.literal("None") }),
    fields({ type: z.literal("Masquerade") }),
    fields({
      type: z.literal("Address"),
      addresses: tell(
        z.array(addressOrRange).superRefine(({ length }, context) => {
          if (length === 0) complain(context, "schema.required", [], "must have at least one address");
          if (length > mostAddresses)
            complain(
              context,
              "schema.count",
              [],
              `must have at most ${mostAddresses} entries; it has ${length}`,
            );
        }),
        { maxItems: mostAddresses },
      ),
      egressNodes: boundedSelector.exactOptional(),
    }),
  ]),
  {
    rules: [
      {
        rule: "self.type != 'Address' || (has(self.addresses) && self.addresses.size() > 0)",
        message: "must have at least one address with type Address",
        fieldPath: ".addresses",
      },
      {
        rule: `self.type != 'Address' || !has(self.addresses) || self.addresses.all(a, isIP(a) || ${cel.range("a")} || (${isSpanToServers}))`,
        message: "must be addresses, ranges such as 10.0.0.0/28, or FIRST-LAST such as 10.0.0.4-10.0.0.7",
        fieldPath: ".addresses",
      },
    ],
  },
);
tell(addressOrRange, { maxLength: 128 });

export const sourceNatSchema = schemaOf<SourceNAT>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("SourceNAT"),
    metadata: metadata(),
    spec: fields({
      priority: whole("schema.count", -(2 ** 31), 2 ** 31 - 1).exactOptional(),
      rules: list(
        fields({
          namespaceSelector: boundedSelector.exactOptional(),
          podSelector: boundedSelector.exactOptional(),
          destinations: list(cidr, 2048).exactOptional(),
          action,
        }),
        64,
      ),
    }),
    status: fields({
      conditions: conditions.exactOptional(),
      holders: z.array(fields({ address: z.string(), node: z.string() })).exactOptional(),
    }).exactOptional(),
  }),
);
