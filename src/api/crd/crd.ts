// CustomResourceDefinitions made from the schemas, so that a real cluster knows the same kinds as the lab. Structural
// schemas (apiextensions.k8s.io/v1) allow less than ours: what does not fit is checked by Trunkline itself.

import { schemaFor } from "../kinds/schema/schemas.ts";
import type { Kind } from "../object.ts";
import { definitionOf } from "../schema.ts";
import { toldOf } from "../told.ts";
import { printerColumns } from "./columns.ts";
import { descriptionOf } from "./descriptions.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** Returns the CustomResourceDefinition of a kind. */
export function crdOf(kind: Kind): JsonSchema {
  const [group = "", version = ""] = kind.apiVersion.split("/");
  const whole = structural(schemaFor(kind));
  const {
    metadata: _metadata,
    apiVersion: _version,
    kind: _kind,
    ...own
  } = (whole["properties"] ?? {}) as Record<string, JsonSchema>;
  const standard = { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: { type: "object" } };
  const required = Object.hasOwn(own, "spec") ? { required: ["spec"] } : {};
  const properties = Object.fromEntries(
    Object.entries(own).map(([name, field]) => [name, described(kind.kind, name, field)]),
  );
  const { type: _object, properties: _all, required: _needed, ...rules } = whole;
  const schema = described(kind.kind, "", {
    type: "object",
    ...required,
    properties: { ...standard, ...properties },
    ...rules,
  });
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      scope: kind.namespaced ? "Namespaced" : "Cluster",
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          // Whoever may write what is, may not thereby write what is wanted.
          ...(Object.hasOwn(own, "status") ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: printerColumns(kind.kind),
        },
      ],
    },
  };
}

/** Returns a schema with what `kubectl explain` is to say of it and of all that is in it. */
function described(kind: string, path: string, schema: JsonSchema): JsonSchema {
  const description = descriptionOf(kind, path);
  // What stands beside a kind's own fields is described by the server.
  const whole = path === "" ? schema : withFieldsDescribed(kind, path, schema);
  const { items } = schema as { items?: JsonSchema };
  return {
    ...(description !== undefined && { description }),
    ...whole,
    ...(items && { items: withFieldsDescribed(kind, path, items) }),
  };
}

function withFieldsDescribed(kind: string, path: string, schema: JsonSchema): JsonSchema {
  const { properties } = schema as { properties?: Record<string, JsonSchema> };
  if (!properties) return schema;
  const fields = Object.entries(properties);
  const told = fields.map(([name, field]) => [name, described(kind, `${path}.${name}`, field)]);
  return { ...schema, properties: Object.fromEntries(told) };
}

/** Returns what the schema says that a structural one can say as well: types, and what was noted for servers. */
function structural(schema: unknown): JsonSchema {
  const { keys, rules = [], ...told } = toldOf(schema);
  return {
    ...typed(schema),
    ...told,
    ...(keys && { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys }),
    ...(rules.length > 0 && { "x-kubernetes-validations": rules }),
  };
}

function typed(schema: unknown): JsonSchema {
  const def = definitionOf(schema);
  switch (def.type) {
    case "optional":
      return structural(def["innerType"]);
    case "nullable":
      return { ...structural(def["innerType"]), nullable: true };
    case "string":
      return { type: "string" };
    case "boolean":
      return { type: "boolean" };
    case "number":
      // All numbers of these kinds count something.
      return { type: "integer", format: "int64" };
    case "enum":
      return { type: "string", enum: Object.values(def["entries"] as object) };
    case "literal":
      return { type: "string", enum: def["values"] };
    case "array":
      return { type: "array", items: structural(def["element"]) };
    case "record":
      return { type: "object", additionalProperties: structural(def["valueType"]) };
    case "object":
      return objectSchema(def["shape"] as Record<string, unknown>);
    case "union":
      return union((def["options"] as readonly unknown[]).map(structural));
    default:
      return { "x-kubernetes-preserve-unknown-fields": true };
  }
}

function objectSchema(shape: Record<string, unknown>): JsonSchema {
  const fields = Object.entries(shape);
  const required = fields
    .filter(([, field]) => definitionOf(field).type !== "optional")
    .map(([name]) => name);
  const properties = Object.fromEntries(fields.map(([name, field]) => [name, structural(field)]));
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}) };
}

// Types may not differ between alternatives, so the alternatives' fields are put together, and what tells them apart
// takes all of its values.
function union(options: readonly JsonSchema[]): JsonSchema {
  if (options.every(({ type }) => type === "integer" || type === "string"))
    return { "x-kubernetes-int-or-string": true };
  const properties: Record<string, JsonSchema> = {};
  for (const option of options)
    for (const [name, field] of Object.entries((option["properties"] ?? {}) as Record<string, JsonSchema>)) {
      const values = [properties[name]?.["enum"], field["enum"]].flatMap(
        (list) => (list as unknown[] | undefined) ?? [],
      );
      properties[name] = { ...field, ...(values.length > 0 ? { enum: [...new Set(values)] } : {}) };
    }
  const common = options
    .map((option) => new Set((option["required"] ?? []) as string[]))
    .reduce((a, b) => a.intersection(b));
  return { type: "object", properties, ...(common.size > 0 ? { required: [...common] } : {}) };
}
