// Schemas of Trunkline's own kinds.

import * as z from "zod";
import { tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import {
  address,
  cidr,
  complain,
  condition,
  fields,
  labelSelector,
  metadata,
  portNumber,
  protocol,
  schemaOf,
  text,
} from "../../schema.ts";
import type { AddressBlock } from "../address-block.ts";
import type { Host } from "../host.ts";
import type { SourceNAT } from "../source-nat.ts";

export const addressBlockSchema = schemaOf<AddressBlock>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("AddressBlock"),
    metadata: metadata(),
    spec: fields({
      cidr,
      pool: z.string(),
      node: z.string(),
      state: z.enum(["pending", "confirmed", "releasing"]),
      loans: z
        .array(
          fields({
            address,
            node: z.string(),
            seq: z.number().exactOptional(),
            returned: z.boolean().exactOptional(),
          }),
        )
        .exactOptional(),
      requests: z
        .array(
          fields({
            node: z.string(),
            count: z.number(),
            address: address.exactOptional(),
            at: z.string(),
          }),
        )
        .exactOptional(),
      releases: z
        .array(fields({ address, node: z.string(), seq: z.number(), at: z.string() }))
        .exactOptional(),
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
      addresses: z.array(address),
      ports: z.array(fields({ port: portNumber, protocol: protocol.exactOptional() })).exactOptional(),
      admit: z.array(cidr).exactOptional(),
      role: z.enum(["host", "router"]).exactOptional(),
    }),
  }),
);

const addressOrRange = text("schema.address", (value) =>
  tryParseIp(value) || tryParseCidr(value) || isSpan(value)
    ? undefined
    : `'${value}' is not an address, a range such as 10.0.0.0/28, or FIRST-LAST`,
);

function isSpan(value: string): boolean {
  const [first = "", last = "", ...more] = value.split("-");
  return more.length === 0 && tryParseIp(first) !== undefined && tryParseIp(last) !== undefined;
}

const action = z.discriminatedUnion("type", [
  fields({ type: z.literal("None") }),
  fields({ type: z.literal("Masquerade") }),
  fields({
    type: z.literal("Address"),
    addresses: z.array(addressOrRange).superRefine((list, context) => {
      if (list.length === 0) complain(context, "schema.required", [], "must have at least one address");
    }),
    egressNodes: labelSelector.exactOptional(),
  }),
]);

export const sourceNatSchema = schemaOf<SourceNAT>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("SourceNAT"),
    metadata: metadata(),
    spec: fields({
      priority: z.number().exactOptional(),
      rules: z.array(
        fields({
          namespaceSelector: labelSelector.exactOptional(),
          podSelector: labelSelector.exactOptional(),
          destinations: z.array(cidr).exactOptional(),
          action,
        }),
      ),
    }),
    status: fields({
      conditions: z.array(condition).exactOptional(),
      holders: z.array(fields({ address, node: z.string() })).exactOptional(),
    }).exactOptional(),
  }),
);
