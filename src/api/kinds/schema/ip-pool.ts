import * as z from "zod";
import { tryParseCidr } from "../../../base/ip.ts";
import { cidr, complain, condition, fields, metadata, nodeSelector, schemaOf } from "../../schema.ts";
import { blockSizeBounds, type IPPool } from "../ip-pool.ts";

const mode = z.enum(["Always", "CrossSubnet", "Never"]);

export const ipPoolSchema = schemaOf<IPPool>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("IPPool"),
    metadata: metadata(),
    spec: fields(
      {
        cidr,
        blockSize: z.number().exactOptional(),
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
    ).superRefine((spec, context) => {
      checkBlockSize(spec, context);
      const on = (value: string | undefined) => value !== undefined && value !== "Never";
      if (on(spec.ipipMode) && on(spec.vxlanMode))
        complain(context, "ippool.tunnel", ["vxlanMode"], "only one of ipipMode and vxlanMode may be on");
      if (on(spec.ipipMode) && spec.cidr.includes(":"))
        complain(
          context,
          "ippool.tunnel",
          ["ipipMode"],
          "IP in IP carries IPv4 only; use vxlanMode for IPv6",
        );
    }),
    status: fields({ conditions: z.array(condition).exactOptional() }).exactOptional(),
  }),
);

function checkBlockSize(spec: { cidr: string; blockSize?: number }, context: z.RefinementCtx): void {
  const range = tryParseCidr(spec.cidr);
  if (!range) return;
  const { least, most, usual } = blockSizeBounds[range.family];
  const size = spec.blockSize ?? usual;
  const bad = (why: string) => complain(context, "ippool.block-size", ["blockSize"], why);
  if (!Number.isInteger(size) || size < least || size > most)
    bad(`must be a prefix length from ${least} to ${most} for an IPv${range.family} pool; it is ${size}`);
  else if (size < range.length) bad(`a block of /${size} is larger than the whole pool ${spec.cidr}`);
}
