// An object together with the place where somebody wrote it, so that what is said about it can point there.
import type { Change } from "../../api/manifest/edits.ts";
import type { KubeObject } from "../../api/object.ts";
import { keyOf } from "../../api/object.ts";
import type { Path, Position, TextEdit } from "../../base/problem.ts";

/** An object as it was written. One that comes from a store has no positions. */
export interface Written<T extends KubeObject = KubeObject> {
  readonly object: T;
  /** Returns where the field at `path` stands, or the nearest field above it; undefined without a text. */
  readonly at: (path: Path) => Position | undefined;
  /** Returns how to change the text; undefined where that is not plain, or without a text. */
  readonly edit?: (change: Change) => TextEdit | undefined;
}

/** Takes an object that no text is known of. */
export function unwritten<T extends KubeObject>(object: T): Written<T> {
  return { object, at: () => undefined };
}

/** Returns `networkpolicy/data/deny-all`: an object's kind and key in one word. */
export function nameOf(object: KubeObject): string {
  return `${object.kind.toLowerCase()}/${keyOf(object)}`;
}
