// Schema of BGPFilter. What stands in it reaches BIRD's configuration.
import * as z from "zod";
import { tryParseCidr } from "../../../base/ip.ts";
import { mostMetric } from "../../bgp-words.ts";
import { cidr, complain, type FieldRule, list, ruled, whole } from "../../forms.ts";
import { fields, metadata, schemaOf } from "../../schema.ts";
import { cel, tell } from "../../told.ts";
import type { BGPFilter, BGPFilterRule } from "./bgp.ts";
import { communityValue, interfaceName, listedAsNumber } from "./parts.schema.ts";

const metric = whole("bgp.number", 1, mostMetric);

const operationNames = ["addCommunity", "prependASPath", "setPriority"] as const;
const oneOperation = `must be one of ${operationNames.join(", ")}, and no more: a further one is an entry of its own`;
const operation = tell(
  z
    .union([
      fields({ addCommunity: fields({ value: communityValue }) }),
      fields({ prependASPath: fields({ prefix: list(listedAsNumber, 32) }) }),
      fields({ setPriority: fields({ value: metric }) }),
    ])
    .superRefine((value, context) => {
      if (operationNames.filter((name) => Reflect.get(value, name) !== undefined).length !== 1)
        complain(context, "bgp.filter", [], oneOperation);
    }),
  {
    rules: [
      {
        rule: `[${operationNames.map((name) => `has(self.${name})`).join(", ")}].filter(x, x).size() == 1`,
        message: oneOperation,
      },
    ],
  },
);

const mostRules = 256;

function prefixLengths(bits: number) {
  const length = whole("bgp.filter", 0, bits);
  return ruled(fields({ min: length.exactOptional(), max: length.exactOptional() }), [
    {
      code: "bgp.filter",
      field: "min",
      holds: ({ min = 0, max = bits }) => !(min > max),
      cel: "!has(self.min) || !has(self.max) || self.min <= self.max",
      says: ({ min, max }) => `must not be more than \`max\`; ${min} is more than ${max}`,
      message: "must not be more than `max`",
    },
  ]);
}

function rule(family: 4 | 6) {
  const bits = family === 4 ? 32 : 128;
  return ruled(
    fields({
      action: z.enum(["Accept", "Reject"]),
      cidr: cidr.exactOptional(),
      matchOperator: z.enum(["In", "NotIn", "Equal", "NotEqual"]).exactOptional(),
      prefixLength: prefixLengths(bits).exactOptional(),
      source: z.enum(["RemotePeers"]).exactOptional(),
      interface: interfaceName.exactOptional(),
      peerType: z.enum(["eBGP", "iBGP"]).exactOptional(),
      priority: metric.exactOptional(),
      asPathPrefix: list(listedAsNumber, 64).exactOptional(),
      communities: fields({ values: list(communityValue, 32) }).exactOptional(),
      operations: list(operation, 16).exactOptional(),
    }),
    filterRules(family),
  );
}

/** What the rules about several fields look at. */
type RuleFields = Pick<BGPFilterRule, "action" | "cidr" | "matchOperator" | "prefixLength" | "operations">;

function filterRules(family: 4 | 6): readonly FieldRule<RuleFields>[] {
  const rule = (
    field: string,
    holds: (one: RuleFields) => boolean,
    text: string,
    says: string,
  ): FieldRule<RuleFields> => ({
    code: "bgp.filter",
    field,
    holds,
    cel: text,
    says,
  });
  return [
    rule(
      "matchOperator",
      (one) => one.cidr === undefined || one.matchOperator !== undefined,
      "!has(self.cidr) || has(self.matchOperator)",
      "is missing: a rule with `cidr` needs it",
    ),
    rule(
      "cidr",
      (one) => one.matchOperator === undefined || one.cidr !== undefined,
      "!has(self.matchOperator) || has(self.cidr)",
      "is missing: a rule with `matchOperator` needs it",
    ),
    rule(
      "cidr",
      ({ cidr: text = "" }) => (tryParseCidr(text)?.family ?? family) === family,
      `!has(self.cidr) || ${cel.ofFamily("self.cidr", family)}`,
      `must be an IPv${family} range here`,
    ),
    rule(
      "prefixLength",
      (one) => one.prefixLength === undefined || one.cidr !== undefined,
      "!has(self.prefixLength) || has(self.cidr)",
      "needs `cidr`",
    ),
    rule(
      "operations",
      (one) => one.operations === undefined || one.action !== "Reject",
      "!has(self.operations) || self.action != 'Reject'",
      "has no meaning with action Reject",
    ),
  ];
}

export const bgpFilterSchema = schemaOf<BGPFilter>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("BGPFilter"),
    metadata: metadata(),
    spec: fields({
      importV4: list(rule(4), mostRules).exactOptional(),
      exportV4: list(rule(4), mostRules).exactOptional(),
      importV6: list(rule(6), mostRules).exactOptional(),
      exportV6: list(rule(6), mostRules).exactOptional(),
    }),
  }),
);
