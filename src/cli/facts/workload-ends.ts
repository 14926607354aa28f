// Ends that are named by a workload: whether there is one is not told by its pods.
import { kindNamed } from "../../api/kinds/index.ts";
import { TrunklineError } from "../../base/errors.ts";
import { nearest } from "../../base/suggest.ts";
import type { EndName } from "../../explain/target.ts";
import type { Store } from "../../store/store.ts";

const found = new Set(["Pod", "Node", "Host"]);

/**
 * Makes sure that workloads which name ends are there; they may have no pods.
 * @throws TrunklineError `explain.unknown-end`
 */
export async function checkWorkloads(
  store: Store,
  ends: readonly EndName[],
  namespace: string,
): Promise<void> {
  for (const end of ends) {
    if (end.type === "address") continue;
    const kind = kindNamed(end.kind);
    if (kind && found.has(kind.kind)) continue;
    const space = end.namespace ?? namespace;
    if (kind && (await store.get(kind, end.name, kind.namespaced ? space : undefined))) continue;
    const name = `${end.kind}/${space}/${end.name}`;
    const others = kind ? (await store.list(kind, kind.namespaced ? space : undefined)).items : [];
    const known = others.map(({ metadata }) => `${end.kind}/${space}/${metadata.name}`);
    throw new TrunklineError("explain.unknown-end", { name, suggestion: nearest(name, known) });
  }
}
