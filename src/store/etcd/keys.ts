// Where an object stands in etcd: PREFIX/apiVersion/Kind/namespace/name, or PREFIX/apiVersion/Kind/name. None of the
// parts can hold a slash but an apiVersion's group, whose form is fixed.
import type { Kind } from "../../api/object.ts";
import { kindKey } from "../transition.ts";

/** Returns the key of an object. */
export function keyOfObject(prefix: string, kind: Kind, name: string, namespace?: string): string {
  return `${room(prefix, kind, namespace)}${name}`;
}

/** Returns the first key and the one behind the last of a kind, or of a namespace of it. */
export function rangeOf(
  prefix: string,
  kind: Kind,
  namespace?: string,
): readonly [first: string, end: string] {
  const first = room(prefix, kind, namespace);
  // "0" follows "/".
  return [first, `${first.slice(0, -1)}0`];
}

/** Returns the names that a key was made of. */
export function objectName(prefix: string, kind: Kind, key: string): { name: string; namespace?: string } {
  const [first = "", second] = key.slice(room(prefix, kind).length).split("/");
  return second === undefined ? { name: first } : { namespace: first, name: second };
}

function room(prefix: string, kind: Kind, namespace?: string): string {
  return `${prefix}/${kindKey(kind)}/${namespace === undefined ? "" : `${namespace}/`}`;
}
