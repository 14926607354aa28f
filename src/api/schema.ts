// What schemas are made of. A schema describes what a user may write; it lists the fields of the API that Trunkline does
// not look into as well, so that a mistyped name stands out from a foreign one.
import * as z from "zod";
import { isError } from "../base/errors.ts";
import { formatCidr, isMapped, looseCidr, tryParseCidr, tryParseIp } from "../base/ip.ts";
import { complain, list, text, whyNotRange } from "./forms.ts";
import type { Draft, KubeObject } from "./object.ts";
import { calicoSelector } from "./selectors/calico-selector.ts";
import { matches, tell } from "./told.ts";
import {
  subdomainForm,
  whyNotLabel,
  whyNotLabelValue,
  whyNotQualifiedName,
  whyNotSubdomain,
} from "./words.ts";

type Mutable<T> = T extends string | number | boolean | undefined
  ? T
  : T extends readonly (infer E)[]
    ? Mutable<E>[]
    : { -readonly [K in keyof T]: Mutable<T[K]> };

/** Returns the schema of a kind, and fails to compile where schema and type disagree on what an object may hold. */
export function schemaOf<T extends KubeObject>() {
  return <S extends z.ZodType<Draft<T>>>(schema: Mutable<Draft<T>> extends z.input<S> ? S : never): S =>
    schema;
}

/** An object with these fields; `also` names further fields of the API that are kept and not looked into. */
export function fields<S extends z.ZodRawShape>(shape: S, also = ""): z.ZodObject<S, z.core.$loose> {
  const others = also.split(/\s+/).filter((name) => name !== "");
  const rest = Object.fromEntries(others.map((name) => [name, z.unknown().optional()]));
  return z.looseObject({ ...rest, ...shape });
}

const unbuilt = z.unknown().optional();

/** Fields of the API that are kept and have no effect yet: whoever writes one is told so. */
export function notBuilt(names: string): Record<string, typeof unbuilt> {
  return Object.fromEntries(names.split(/\s+/).map((name) => [name, unbuilt]));
}

/** One of those that is a text: rules may ask whether it is there. */
export const notBuiltText = z.string().optional();

/** Returns whether a field's schema is one of those. */
export function isNotBuilt(schema: unknown): boolean {
  return schema === unbuilt || schema === notBuiltText;
}

/** What `looseCidr` reads, and servers have refused to take anew since 1.36. */
export const SLOPPY_RANGE = "networkpolicy.sloppy-range";

/** A range in a NetworkPolicy. */
export const policyCidr = z.string().superRefine((value, context) => {
  const loose = looseCidr(value);
  const strict = tryParseCidr(value);
  const address = tryParseIp(value.slice(0, Math.max(value.indexOf("/"), 0)));
  if (!loose) complain(context, "schema.cidr", [], whyNotRange(value) ?? "is not a range");
  else if (address && isMapped(address))
    complain(
      context,
      SLOPPY_RANGE,
      [],
      `'${value}' is an IPv4 range written as an IPv6 one, which servers refuse`,
    );
  else if (!strict) {
    const message =
      `'${value}' is not a range as servers take it since 1.36: the bits behind the prefix must be zero, and numbers have ` +
      "no leading zeros";
    complain(
      context,
      SLOPPY_RANGE,
      [],
      message,
      `Write ${formatCidr(loose)}, which is what it means where it is stored`,
    );
  }
});
export const protocol = z.enum(["TCP", "UDP", "SCTP"]);

const keyed = (value: z.ZodType<string>, whyNotValue: (value: string) => string | undefined, code: string) =>
  z.record(z.string(), value).superRefine((map, context) => {
    for (const [key, entry] of Object.entries(map)) {
      const badKey = whyNotQualifiedName(key);
      if (badKey !== undefined) complain(context, code, [key], `the key ${badKey}`);
      const badValue = whyNotValue(entry);
      if (badValue !== undefined) complain(context, code, [key], `the value ${badValue}`);
    }
  });
// By pattern and not by a rule: these stand within lists, where rules would cost too much.
const labelValue = tell(z.string(), {
  maxLength: 63,
  pattern: "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
});
export const labels = keyed(labelValue, whyNotLabelValue, "schema.label");
export const annotations = keyed(z.string(), () => undefined, "schema.annotation");

const labelKey = tell(text("schema.label", whyNotQualifiedName), {
  maxLength: 317,
  pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
});
const requirement = fields({
  key: labelKey,
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
  values: z.array(labelValue).exactOptional(),
}).superRefine((one, context) => {
  const count = one.values?.length ?? 0;
  if (one.operator === "In" || one.operator === "NotIn") {
    if (count === 0)
      complain(context, "schema.selector", ["values"], `must have a value for ${one.operator}`);
    for (const [at, value] of (one.values ?? []).entries()) {
      const why = whyNotLabelValue(value);
      if (why !== undefined) complain(context, "schema.label", ["values", at], why);
    }
  } else if (count > 0) complain(context, "schema.selector", ["values"], `must be empty for ${one.operator}`);
});

export const labelSelector = fields({
  matchLabels: labels.exactOptional(),
  matchExpressions: z.array(requirement).exactOptional(),
});

tell(requirement, {
  rules: [
    {
      rule: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
      message: "needs values with In and NotIn, and takes none with Exists and DoesNotExist",
      fieldPath: ".values",
    },
  ],
});
/** A label selector of one of our own kinds. */
export const boundedSelector = fields({
  matchLabels: labels.exactOptional(),
  matchExpressions: list(requirement, 64).exactOptional(),
});

/** Calico's selector language over nodes' labels. */
export const nodeSelector = text("schema.selector", (value) => {
  try {
    calicoSelector(value);
    return undefined;
  } catch (error) {
    if (isError(error, "api.selector")) return error.message;
    throw error;
  }
});

const ownerReference = fields({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().exactOptional(),
  blockOwnerDeletion: z.boolean().exactOptional(),
});

const subdomainName = text("schema.name", whyNotSubdomain);

/** The name of an object. */
export const objectName = tell(text("schema.name", whyNotSubdomain), {
  maxLength: 253,
  rules: [
    {
      rule: matches(subdomainForm),
      message:
        "must consist of lower-case letters, digits, '-' and '.', and begin and end with a letter or digit",
    },
  ],
});

/** The metadata that users may write. */
export function metadata(name: z.ZodType<string> = subdomainName) {
  return fields(
    {
      name,
      namespace: text("schema.name", whyNotLabel).exactOptional(),
      uid: z.string().exactOptional(),
      resourceVersion: z.string().exactOptional(),
      generation: z.number().exactOptional(),
      creationTimestamp: z.string().exactOptional(),
      deletionTimestamp: z.string().exactOptional(),
      labels: labels.exactOptional(),
      annotations: annotations.exactOptional(),
      ownerReferences: z.array(ownerReference).exactOptional(),
      finalizers: z.array(z.string()).exactOptional(),
      generateName: z.string().exactOptional(),
    },
    "managedFields selfLink deletionGracePeriodSeconds",
  );
}

export const condition = fields(
  {
    type: z.string(),
    status: z.enum(["True", "False", "Unknown"]),
    reason: z.string().exactOptional(),
    message: z.string().exactOptional(),
    lastTransitionTime: z.string().exactOptional(),
    observedGeneration: z.number().exactOptional(),
  },
  "lastProbeTime lastHeartbeatTime lastUpdateTime",
);

/** What holds of an object now: one entry for each type. */
export const conditions = tell(z.array(condition), { keys: ["type"] });

/** Returns what a schema was made from: `type` and its parts, which the library keeps for those who read schemas. */
export function definitionOf(schema: unknown): { readonly type: string; readonly [part: string]: unknown } {
  const { def } = (schema as z.ZodType)._zod;
  return def as unknown as { type: string };
}
