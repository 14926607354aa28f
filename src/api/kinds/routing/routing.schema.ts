// Schema of RoutingConfiguration.
import * as z from "zod";
import { isWhole } from "../../../base/whole.ts";
import { mostTimer } from "../../bgp-words.ts";
import { readMethod } from "../../detection-method.ts";
import { complain, list, text } from "../../forms.ts";
import { fields, metadata, schemaOf } from "../../schema.ts";
import { cel, quote, tell } from "../../told.ts";
import { named, restartTime, seconds, secretReference } from "./parts.schema.ts";
import {
  DEFAULT_NAME,
  flowTablesValues,
  leastMtu,
  mostMtu,
  type RoutingConfiguration,
} from "./routing-configuration.ts";

const longestMethod = 512;

/** Whether a pattern is a regular expression servers cannot tell: theirs are others. */
const method = (family: 4 | 6) =>
  tell(
    text("routing.node-address", (value) => {
      if (value.length > longestMethod) return `is longer than ${longestMethod} characters`;
      const read = readMethod(value, family);
      return "wrong" in read ? read.wrong : undefined;
    }),
    {
      maxLength: longestMethod,
      rules: [
        {
          rule: [
            "self in ['first-found', 'kubernetes-internal-ip', 'none']",
            "(self.matches('^(skip-)?interface=') && !self.matches('^(skip-)?interface=[ ]*(,|$)|,[ ]*(,|$)'))",
            `(self.startsWith('can-reach=') && isIP(self.substring(10).trim()) && ip(self.substring(10).trim()).family() == ${family})`,
            `(self.startsWith('cidr=') && self.substring(5).split(',').all(c, ${cel.range("c.trim()")} && ${cel.ofFamily("c.trim()", family)}))`,
          ].join(" || "),
          message: `must be first-found, interface=REGEX, skip-interface=REGEX, can-reach=IPV${family}-ADDRESS, cidr=IPV${family}-RANGE,..., kubernetes-internal-ip or none`,
        },
      ],
    },
  );

function whyNotPattern(one: string): string | undefined {
  try {
    new RegExp(one);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `'${one}' is not a regular expression`;
  }
}

const anMtu = `must be 0, or a whole number from ${leastMtu} to ${mostMtu}`;
const mtu = tell(
  z.number().superRefine((value, context) => {
    if (value !== 0 && !isWhole(value, leastMtu, mostMtu))
      complain(context, "routing.mtu", [], `${anMtu}; it is ${value}`);
  }),
  { minimum: 0, maximum: mostMtu, rules: [{ rule: `self == 0 || self >= ${leastMtu}`, message: anMtu }] },
);

const namePatternText = tell(
  text("routing.interface", (value) => (value === "" ? "is an empty pattern" : whyNotPattern(value))),
  { minLength: 1 },
);

export const routingConfigurationSchema = schemaOf<RoutingConfiguration>()(
  tell(
    fields({
      apiVersion: z.string(),
      kind: z.literal("RoutingConfiguration"),
      metadata: metadata(
        text("routing.name", (value) =>
          value === DEFAULT_NAME ? undefined : `must be '${DEFAULT_NAME}'; it is '${value}'`,
        ),
      ),
      spec: fields({
        protocols: z.array(z.enum(["bgp", "rip"])).exactOptional(),
        rip: fields({
          interfaces: list(namePatternText, 1000).exactOptional(),
          updateTime: seconds(mostTimer, 1).exactOptional(),
          timeoutTime: seconds(mostTimer, 1).exactOptional(),
          garbageTime: seconds(mostTimer, 1).exactOptional(),
          password: secretReference.exactOptional(),
        }).exactOptional(),
        nodeAddress: fields({
          ipv4: method(4).exactOptional(),
          ipv6: method(6).exactOptional(),
        }).exactOptional(),
        mtu: fields({
          pod: mtu.exactOptional(),
          ipip: mtu.exactOptional(),
          vxlan: mtu.exactOptional(),
        }).exactOptional(),
        gracefulRestartTime: restartTime.exactOptional(),
        flowTables: z.enum(flowTablesValues).exactOptional(),
      }),
    }),
    named(`self.metadata.name == ${quote(DEFAULT_NAME)}`, `must be '${DEFAULT_NAME}'`),
  ),
);
