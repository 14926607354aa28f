// Objects put straight into the API server's etcd, which takes as JSON what it keeps: a hundred thousand of them by requests of
// their own would take an hour.
import type { Kind } from "../../../src/api/object.ts";

/** etcd's own limit. */
const MOST_PUTS = 128;

export interface Put {
  readonly key: string;
  readonly value: string;
}

const folders: Readonly<Record<string, string>> = { nodes: "minions" };

/**
 * Returns where the API server keeps an object, and the object as it keeps it.
 * @param text JSON without apiVersion and kind
 */
export function stored(kind: Pick<Kind, "apiVersion" | "kind" | "plural">, text: string): Put {
  const { metadata } = JSON.parse(text) as { metadata: { name: string; namespace?: string } };
  const { apiVersion, plural } = kind;
  const group = apiVersion.split("/")[0] ?? "";
  // Kinds that a CustomResourceDefinition makes known are below their group.
  const folder =
    group.includes(".") && !group.endsWith(".k8s.io") ? `${group}/${plural}` : (folders[plural] ?? plural);
  const key = ["/registry", folder, metadata.namespace, metadata.name].filter(Boolean).join("/");
  return { key, value: `{"apiVersion":"${apiVersion}","kind":"${kind.kind}",${text.slice(1)}` };
}

/** Puts them by etcd's gateway, as many at a time as it takes. */
export async function putAll(endpoint: string, puts: Iterable<Put>): Promise<void> {
  let some: Put[] = [];
  for (const put of puts) {
    some.push(put);
    if (some.length < MOST_PUTS) continue;
    await transaction(endpoint, some);
    some = [];
  }
  if (some.length > 0) await transaction(endpoint, some);
}

async function transaction(endpoint: string, puts: readonly Put[]): Promise<void> {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const success = puts.map(({ key, value }) => ({ requestPut: { key: base64(key), value: base64(value) } }));
  const body = JSON.stringify({ success });
  const response = await fetch(`${endpoint}/v3/kv/txn`, { method: "POST", body });
  const said = await response.text();
  if (!response.ok) throw new Error(`etcd answers ${response.status}: ${said}`);
}
