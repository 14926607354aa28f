// What kinds of routing are made of: AS numbers, communities, times, passwords, names.
import * as z from "zod";
import { asNumberForm, mostAs, parseAsNumber } from "../../as-number.ts";
import { communityForm, interfaceForm, parseCommunity } from "../../bgp-words.ts";
import { complain, duration, someText, text, word } from "../../forms.ts";
import { fields } from "../../schema.ts";
import { matches, tell } from "../../told.ts";

const anAsNumber = 'must be an AS number, such as 64512 or "1.10"';
const asNumberIn = () =>
  z.union([z.number(), z.string()]).superRefine((value, context) => {
    if ((typeof value === "string" && !asNumberForm.test(value)) || parseAsNumber(value) === undefined)
      complain(context, "bgp.as-number", [], `${anAsNumber}; it is ${value}`);
  });
export const asNumber = tell(asNumberIn(), {
  rules: [
    {
      rule:
        `type(self) == int ? self >= 1 && self <= ${mostAs} : ${matches(asNumberForm)} && (self.contains('.')` +
        " ? int(self.split('.')[0]) <= 65535 && int(self.split('.')[1]) <= 65535 && int(self.split('.')[0]) + int(self.split('.')[1]) > 0" +
        ` : int(self) >= 1 && int(self) <= ${mostAs})`,
      message: anAsNumber,
    },
  ],
});
/** One of a list. Servers cannot tell how long its text is, and a rule for each would cost too much at worst: bounds alone. */
export const listedAsNumber = tell(asNumberIn(), {
  minimum: 1,
  maximum: mostAs,
  pattern: asNumberForm.source,
});

const aCommunity = "must be a community, such as 65000:100 or 65000:100:200";
const parts = (it: string, count: number, most: number) =>
  Array.from({ length: count }, (_, at) => `int(${it}.split(':')[${at}]) <= ${most}`).join(" && ");
const isCommunity = (it: string) =>
  `${matches(communityForm, it)} && (${it}.matches(':.*:') ? ${parts(it, 3, 0xffff_ffff)} : ${parts(it, 2, 0xffff)})`;
export const communityValue = tell(
  text("bgp.community", (value) => (parseCommunity(value) ? undefined : `${aCommunity}; it is '${value}'`)),
  {
    maxLength: 32,
    rules: [
      {
        rule: isCommunity("self"),
        message: aCommunity,
      },
    ],
  },
);

/** Whole seconds from `least` to `most`, as a Go duration. */
export const seconds = (most: number, least = 0) =>
  duration(
    "bgp.duration",
    { least, most, wholeSeconds: true },
    `must be a duration of ${least}s to ${most}s in whole seconds`,
  );

/** RFC 4724: twelve bits. */
export const restartTime = seconds(4095);

export const secretReference = fields({
  secretKeyRef: fields({
    name: someText,
    key: someText,
    optional: z.boolean().exactOptional(),
  }).exactOptional(),
});

export const interfaceName = word("bgp.interface", interfaceForm, 30, "is not the name of an interface");

/** Names never change, and what has a wrong one already may still be written, as it is on its way out. */
export const named = (rule: string, message: string) => ({
  rules: [{ rule: `oldSelf.hasValue() || ${rule}`, message, optionalOldSelf: true }],
});
