import { describe, expect, it } from "vitest";
import { customKinds } from "../kinds/index.ts";
import { sourceNatKind } from "../kinds/source-nat.ts";
import { crdOf } from "./crd.ts";
import { describedPaths } from "./descriptions.ts";

interface Schema {
  readonly description?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly "x-kubernetes-validations"?: readonly object[];
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-int-or-string"?: boolean;
}
interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[] };
}
const schemaOf = (definition: unknown) => (definition as Definition).spec.versions[0]?.schema.openAPIV3Schema;

/** Every node of a structural schema has a type, or says that it keeps anything. */
function untyped(schema: Schema, path: string): string[] {
  const open = schema["x-kubernetes-preserve-unknown-fields"] ?? schema["x-kubernetes-int-or-string"];
  const self = schema.type === undefined && !open ? [path] : [];
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    untyped(field, `${path}.${name}`),
  );
  const rest = [schema.items, schema.additionalProperties].flatMap((one) =>
    one ? untyped(one, `${path}[]`) : [],
  );
  return [...self, ...inner, ...rest];
}

describe("custom resource definitions", () => {
  it.each(customKinds.map((kind) => [kind.kind, kind] as const))("%s is structural", (_, kind) => {
    const schema = schemaOf(crdOf(kind));
    expect((schema?.properties?.["spec"] ?? schema?.properties?.["status"])?.type).toBe("object");
    expect(schema?.properties?.["metadata"]).toEqual({ type: "object" });
    expect(untyped(schema ?? {}, kind.kind)).toEqual([]);
  });

  /** Every field and its text; what is kept and not looked into has none. */
  function textsOf(schema: Schema | undefined, path: string): [path: string, text: string | undefined][] {
    const fields = Object.entries(schema?.properties ?? schema?.items?.properties ?? {});
    return fields.flatMap(([name, field]) => {
      const own = `${path}${name}`;
      const isOpaque = field["x-kubernetes-preserve-unknown-fields"] && field.type === undefined;
      return isOpaque ? [] : [[own, field.description], ...textsOf(field, `${own}.`)];
    });
  }

  it.each(customKinds.map((kind) => [kind.kind, kind] as const))(
    "%s tells kubectl explain what it and its fields are for",
    (name, kind) => {
      const schema = schemaOf(crdOf(kind));
      expect(schema?.description).toMatch(/\.$/);
      const found = textsOf(schema, "").filter(([path]) => !/^(apiVersion|kind|metadata)/.test(path));
      const silent = found.filter(([path, text]) => path.startsWith("spec") && text === undefined);
      expect(silent).toEqual([]);
      for (const [path, text] of found) if (text !== undefined) expect(text, path).toMatch(/\S\.$/);
      const known = new Set(["", ...found.map(([path]) => path)]);
      expect(describedPaths(name).filter((path) => !known.has(path))).toEqual([]);
    },
  );

  /** Lists and texts around a rule that have no bounds: a server reckons with as much as a request can hold, and refuses the whole. */
  function unbounded(schema: Schema, path: string, lists: readonly string[]): string[] {
    const rules = schema["x-kubernetes-validations"] ?? [];
    const isText = schema.type === "string" && schema.maxLength === undefined;
    const self = rules.length > 0 ? [...lists, ...(isText ? [path] : [])] : [];
    const isList = schema.items && schema.maxItems === undefined;
    const fields = Object.entries(schema.properties ?? {});
    return [
      ...self,
      ...fields.flatMap(([name, field]) => unbounded(field, `${path}.${name}`, lists)),
      ...(schema.items ? unbounded(schema.items, `${path}[]`, isList ? [...lists, path] : lists) : []),
    ];
  }

  it.each(customKinds.map((kind) => [kind.kind, kind] as const))(
    "%s has bounds around its rules",
    (_, kind) => {
      expect(unbounded(schemaOf(crdOf(kind)) ?? {}, kind.kind, [])).toEqual([]);
    },
  );

  it("says of a rule what to do, and writes only what RE2 reads", () => {
    const text = JSON.stringify(customKinds.map(crdOf));
    expect(text).not.toMatch(/\(\?[=!<]/);
    const rules = [...text.matchAll(/\{"rule":"(?:[^"\\]|\\.)*","message":"([^"]*)/g)];
    expect(rules.length).toBeGreaterThan(60);
    for (const [, message] of rules) expect(message).toMatch(/^(IP |[a-z`])[^\n]{10,240}[^.]$/);
  });

  it("puts the alternatives of an action together", () => {
    const action = schemaOf(crdOf(sourceNatKind))?.properties?.["spec"]?.properties?.["rules"]?.items
      ?.properties?.["action"];
    expect(action?.properties?.["type"]?.enum).toEqual(["None", "Masquerade", "Address"]);
    expect(Object.keys(action?.properties ?? {})).toEqual(["type", "addresses", "egressNodes"]);
    expect(action?.required).toEqual(["type"]);
  });
});

interface Version {
  readonly subresources?: { readonly status?: object };
  readonly additionalPrinterColumns: readonly { readonly name: string; readonly jsonPath: string }[];
}

describe("what kubectl prints", () => {
  it.each(customKinds.map((kind) => [kind.kind, kind] as const))(
    "%s has columns of fields that it has",
    (_, kind) => {
      const definition = crdOf(kind) as unknown as {
        readonly spec: { readonly versions: readonly [Version] };
      };
      const [version] = definition.spec.versions;
      const schema = schemaOf(definition);
      expect(version.subresources !== undefined).toBe(schema?.properties?.["status"] !== undefined);
      const names = version.additionalPrinterColumns.map(({ name }) => name);
      expect(names).toContain("Age");
      expect(new Set(names).size).toBe(names.length);
      for (const { jsonPath } of version.additionalPrinterColumns) {
        if (jsonPath.startsWith(".metadata.")) continue;
        let at: Schema | undefined = schema;
        for (const step of jsonPath
          .replaceAll(/\[[^\]]*\]/g, "[]")
          .split(/\.|(?=\[\])/)
          .filter(Boolean))
          at = step === "[]" ? at?.items : at?.properties?.[step];
        expect(at, jsonPath).toBeDefined();
      }
    },
  );
});
