// Namespaces that are there without anybody asking.
import { withDefaults } from "../api/defaults.ts";
import { namespaceKind } from "../api/kinds/core.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "./store.ts";

export const builtInNamespaces: ReadonlySet<string> = new Set(["default", "kube-system"]);

/** Creates the namespace if it is a built-in one and missing; does nothing about others. */
export async function ensureNamespace(store: Store, name: string): Promise<void> {
  if (!builtInNamespaces.has(name) || (await store.get(namespaceKind, name))) return;
  const draft = { apiVersion: "v1", kind: "Namespace", metadata: { name } } as const;
  try {
    await store.create(namespaceKind, withDefaults(namespaceKind, draft));
  } catch (error) {
    // Another process had the same idea in the same moment.
    if (!isError(error, "store.exists")) throw error;
  }
}
