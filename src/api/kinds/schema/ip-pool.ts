import * as z from "zod";
import { cidr, type FieldRule, readRange, ruled } from "../../forms.ts";
import { conditions, fields, metadata, nodeSelector, schemaOf } from "../../schema.ts";
import { cel, tell } from "../../told.ts";
import { blockSizeBounds, type IPPool } from "../ip-pool.ts";

const mode = z.enum(["Always", "CrossSubnet", "Never"]);

type Spec = IPPool["spec"];
const isOn = (value: string | undefined) => value !== undefined && value !== "Never";
const isOnToServers = (field: string) => `(has(self.${field}) && self.${field} != 'Never')`;
const { 4: four, 6: six } = blockSizeBounds;
const isFour = "cidr(self.cidr).ip().family() == 4";

function boundsOf(spec: Spec) {
  const range = readRange(spec.cidr);
  return (
    range && {
      range,
      ...blockSizeBounds[range.family],
      size: spec.blockSize ?? blockSizeBounds[range.family].usual,
    }
  );
}

const rules: readonly FieldRule<Spec>[] = [
  {
    code: "ippool.block-size",
    field: "blockSize",
    holds(spec) {
      const found = boundsOf(spec);
      if (!found) return true;
      return Number.isInteger(found.size) && found.size >= found.least && found.size <= found.most;
    },
    cel:
      `!isCIDR(self.cidr) || !has(self.blockSize) || (${isFour} ? self.blockSize >= ${four.least} && self.blockSize <= ${four.most}` +
      ` : self.blockSize >= ${six.least} && self.blockSize <= ${six.most})`,
    says(spec) {
      const { range, least, most, size } = boundsOf(spec)!;
      return `must be a prefix length from ${least} to ${most} for an IPv${range.family} pool; it is ${size}`;
    },
    message: `must be a prefix length from ${four.least} to ${four.most} for an IPv4 pool, and from ${six.least} to ${six.most} for an IPv6 one`,
  },
  {
    code: "ippool.block-size",
    field: "blockSize",
    holds(spec) {
      const found = boundsOf(spec);
      return !found || !(found.size < found.range.length) || found.size < found.least;
    },
    cel:
      `!isCIDR(self.cidr) || (has(self.blockSize) ? self.blockSize : (${isFour} ? ${four.usual} : ${six.usual}))` +
      " >= cidr(self.cidr).prefixLength()",
    says: (spec) => `a block of /${boundsOf(spec)?.size} is larger than the whole pool ${spec.cidr}`,
    message: `makes blocks larger than the whole pool: choose one that is not below the prefix length of cidr (default ${four.usual}, IPv6 ${six.usual})`,
  },
  {
    code: "ippool.tunnel",
    field: "vxlanMode",
    holds: ({ ipipMode, vxlanMode }) => !isOn(ipipMode) || !isOn(vxlanMode),
    cel: `!${isOnToServers("ipipMode")} || !${isOnToServers("vxlanMode")}`,
    says: "only one of ipipMode and vxlanMode may be on",
  },
  {
    code: "ippool.tunnel",
    field: "ipipMode",
    holds: (spec) => !isOn(spec.ipipMode) || !spec.cidr.includes(":"),
    cel: `!${isOnToServers("ipipMode")} || ${cel.ofFamily("self.cidr", 4)}`,
    says: "IP in IP carries IPv4 only; use vxlanMode for IPv6",
  },
];

/** As `checkPoolChange` says it where there is no API server. */
const sizeOf = (self: string) =>
  `(has(${self}.blockSize) ? ${self}.blockSize : (${self}.cidr.contains(':') ? ${six.usual} : ${four.usual}))`;
const change =
  "cannot be changed: make a second pool, disable this one, and delete it when no pod uses it any more";

export const ipPoolSchema = schemaOf<IPPool>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("IPPool"),
    metadata: metadata(),
    spec: tell(
      ruled(
        fields(
          {
            cidr,
            blockSize: tell(z.number(), { minimum: four.least, maximum: six.most }).exactOptional(),
            ipipMode: mode.exactOptional(),
            vxlanMode: mode.exactOptional(),
            natOutgoing: z.boolean().exactOptional(),
            disabled: z.boolean().exactOptional(),
            nodeSelector: nodeSelector.exactOptional(),
            namespaceSelector: nodeSelector.exactOptional(),
            allowedUses: z.array(z.enum(["Workload", "Tunnel", "LoadBalancer"])).exactOptional(),
            assignmentMode: z.enum(["Automatic", "Manual"]).exactOptional(),
            disableBGPExport: z.boolean().exactOptional(),
          },
          "ipip nat-outgoing",
        ),
        rules,
      ),
      {
        rules: [
          {
            rule: `!${cel.range("oldSelf.cidr")} || self.cidr == oldSelf.cidr`,
            message: change,
            fieldPath: ".cidr",
          },
          {
            rule: `!${cel.range("oldSelf.cidr")} || ${sizeOf("self")} == ${sizeOf("oldSelf")}`,
            message: change,
            fieldPath: ".blockSize",
          },
        ],
      },
    ),
    status: fields({ conditions: conditions.exactOptional() }).exactOptional(),
  }),
);
