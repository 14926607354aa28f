// What the API server can see of an object of one of Kubernetes' own kinds before any rule is asked: is every field of
// the right type, is it known at all, and which values are to it the same as nothing.

import type { Path } from "../../base/problem.ts";
import { kubernetesFields } from "../kinds/schema/kubernetes-fields.ts";
import type { Kind } from "../object.ts";

interface Field {
  /** A type's name, `[]TYPE` or `{}TYPE`. */
  readonly type: string;
  /** The server cannot tell an absent field from its zero value, and stores neither. */
  readonly zeroIsAbsent: boolean;
}
type Type = ReadonlyMap<string, Field>;

let types: ReadonlyMap<string, Type> | undefined;

function typeNamed(name: string): Type | undefined {
  types ??= new Map(kubernetesFields.trim().split("\n").map(readType));
  return types.get(name);
}

function readType(line: string): [string, Type] {
  const [name = "", ...fields] = line.split(" ");
  const read = fields.map((text): [string, Field] => {
    const [, field = "", mark, type = ""] = /^(\w+)([*!]?):(\S+)$/.exec(text) ?? [];
    return [field, { type, zeroIsAbsent: mark === "" }];
  });
  return [name, new Map(read)];
}

/** Something about a field that its type alone tells. */
export type ShapeFault =
  | { readonly what: "type"; readonly path: Path; readonly expected: string; readonly value: unknown }
  | { readonly what: "unknown"; readonly path: Path; readonly known: readonly string[] };

/** Returns whether the fields of this kind are those of one of Kubernetes' own types. */
export function hasShape({ kind, apiVersion }: Kind): boolean {
  return /^(?:v1|(?:apps|batch|networking\.k8s\.io)\/v1)$/.test(apiVersion) && typeNamed(kind) !== undefined;
}

/** Returns what is of the wrong type, or unknown, in an object without nulls. */
export function shapeFaults(kind: Kind, object: unknown): ShapeFault[] {
  const faults: ShapeFault[] = [];
  walk(kind.kind, object, [], (fault) => faults.push(fault));
  return faults;
}

type Tell = (fault: ShapeFault) => void;

function walk(type: string, value: unknown, path: Path, tell: Tell): void {
  const inner = type.slice(2);
  if (type.startsWith("[]") && Array.isArray(value))
    for (const [at, item] of value.entries()) walk(inner, item, [...path, at], tell);
  else if (type.startsWith("{}") && isObject(value))
    for (const [key, item] of Object.entries(value)) walk(inner, item, [...path, key], tell);
  else if (typeNamed(type) && isObject(value)) walkFields(type, value, path, tell);
  else if (!scalars[type]?.(value)) tell({ what: "type", path, expected: type, value });
}

function walkFields(type: string, value: Record<string, unknown>, path: Path, tell: Tell): void {
  const fields: Type = typeNamed(type) ?? new Map();
  for (const [key, item] of Object.entries(value)) {
    const field = fields.get(key);
    if (field) walk(field.type, item, [...path, key], tell);
    else tell({ what: "unknown", path: [...path, key], known: [...fields.keys()] });
  }
}

const whole = (least: number, most: number) => (value: unknown) =>
  typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
const int32 = whole(-(2 ** 31), 2 ** 31 - 1);
const isText = (value: unknown): value is string => typeof value === "string";

const scalars: Readonly<Record<string, (value: unknown) => boolean>> = {
  any: () => true,
  text: isText,
  bool: (value) => typeof value === "boolean",
  int32,
  int64: whole(-(2 ** 63), 2 ** 63),
  port: (value) => isText(value) || int32(value),
  quantity: (value) => (isText(value) ? isQuantity(value) : typeof value === "number"),
  time: (value) => isText(value) && isTime(value),
  bytes: (value) => isText(value) && isBase64(value),
};

/** resource.Quantity: a number with a decimal or binary unit, or an exponent. */
function isQuantity(text: string): boolean {
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?$/.test(text.trim());
}

/** RFC 3339, as Go reads it. */
function isTime(text: string): boolean {
  const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[-+]\d\d:\d\d)$/;
  return form.test(text) && !Number.isNaN(Date.parse(text.replace(",", ".")));
}

function isBase64(text: string): boolean {
  const clean = text.replaceAll(/[\r\n]/g, "");
  return clean.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(clean);
}

/** Calls for every part of an object that is one of Kubernetes' own types, with the type's name; outer parts first. */
export function visitTypes(
  kind: Kind,
  object: unknown,
  visit: (type: string, value: Readonly<Record<string, unknown>>, path: Path) => void,
): void {
  const enter = (type: string, value: unknown, path: Path): void => {
    const inner = type.slice(2);
    if (type.startsWith("[]") && Array.isArray(value))
      for (const [at, item] of value.entries()) enter(inner, item, [...path, at]);
    const fields = typeNamed(type);
    if (!fields || !isObject(value)) return;
    visit(type, value, path);
    for (const [key, item] of Object.entries(value)) {
      const field = fields.get(key);
      if (field) enter(field.type, item, [...path, key]);
    }
  };
  enter(kind.kind, object, []);
}

/** A label or annotation, or what a selector asks for, that was written as a name with nothing behind it. */
export interface EmptyText {
  readonly path: Path;
  readonly selects: boolean;
}

/** Returns the entries of maps of texts that are null, in an object as it was written. */
export function emptyTexts(kind: Kind, object: unknown): EmptyText[] {
  const found: EmptyText[] = [];
  nulls(hasShape(kind) ? kind.kind : "OnlyMetadata", object, [], found);
  return found;
}

function nulls(type: string, value: unknown, path: Path, out: EmptyText[]): void {
  if (type.startsWith("[]") && Array.isArray(value))
    for (const [at, item] of value.entries()) nulls(type.slice(2), item, [...path, at], out);
  if (!isObject(value)) return;
  if (type === "{}text") {
    const name = path.at(-1);
    const selects = name !== "labels" && name !== "annotations" && name !== "data";
    for (const [key, item] of Object.entries(value))
      if (item === null) out.push({ path: [...path, key], selects });
    return;
  }
  const fields = type === "OnlyMetadata" ? onlyMetadata : typeNamed(type);
  for (const [key, item] of Object.entries(value)) {
    const field = fields?.get(key);
    if (field) nulls(field.type, item, [...path, key], out);
  }
}

const onlyMetadata: Type = new Map([["metadata", { type: "ObjectMeta", zeroIsAbsent: true }]]);

/**
 * Returns the object without what the server cannot tell from an absent field: `hostPort: 0`, `name: ""`, `ports: []`.
 * What is of the wrong type stays.
 */
export function withoutZeros<T>(kind: Kind, object: T): T {
  return (hasShape(kind) ? stripped(kind.kind, object) : object) as T;
}

function stripped(type: string, value: unknown): unknown {
  if (type.startsWith("[]"))
    return Array.isArray(value) ? value.map((item) => stripped(type.slice(2), item)) : value;
  const fields = typeNamed(type);
  if (!fields || !isObject(value)) return value;
  const kept = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    const field = fields.get(key);
    // A status is written by those who count, and means what it says.
    if (!field || field.type === `${type}Status`) return [[key, item]];
    return field.zeroIsAbsent && isZero(key, field.type, item) ? [] : [[key, stripped(field.type, item)]];
  });
  return Object.fromEntries(kept);
}

function isZero(key: string, type: string, value: unknown): boolean {
  // An image may be left out here, where nothing runs it; one that is written as empty is a mistake all the same.
  if (key === "image") return false;
  if (value === 0 || value === "" || value === false) return true;
  if (type.startsWith("[]")) return Array.isArray(value) && value.length === 0;
  return type.startsWith("{}") && isObject(value) && Object.keys(value).length === 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
