// How objects are called in output.
import type { Kind } from "../../api/object.ts";

/** Returns `pod/web`, or with the API group for kinds beyond the core: `deployment.apps/web`, as kubectl writes it. */
export function resourceName(kind: Kind, name: string): string {
  const group = kind.apiVersion.includes("/") ? `.${kind.apiVersion.split("/")[0]}` : "";
  return `${kind.kind.toLowerCase()}${group}/${name}`;
}
