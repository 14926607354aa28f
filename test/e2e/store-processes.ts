// A process of its own that writes to a store's file, for store-processes.test.ts:
//   node store-processes.ts FILE count N    adds one to a counter N times, by compare-and-swap
//   node store-processes.ts FILE flood      creates and deletes objects until it is killed
import { type ConfigMap, configMapKind } from "../../src/api/kinds/core.ts";
import { isError } from "../../src/base/errors.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";

const [file = "", what, times] = process.argv.slice(2);
const store = openSqliteStore(file);
if (what === "count") for (let n = 0; n < Number(times); n++) await increment(store);
else await flood(store);
await store.close();

async function increment(to: Store): Promise<void> {
  for (;;) {
    const map = await to.get(configMapKind, "counter", "a");
    if (!map) return;
    const next: ConfigMap = { ...map, data: { n: String(Number(map.data?.["n"]) + 1) } };
    try {
      await to.update(configMapKind, next);
      return;
    } catch (error) {
      if (!isError(error, "store.conflict")) throw error;
    }
  }
}

async function flood(to: Store): Promise<void> {
  for (let n = 0; ; n++) {
    const metadata = { name: `m${n % 50}`, namespace: "a" };
    await to.delete(configMapKind, metadata.name, metadata.namespace);
    await to.create(configMapKind, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { n: String(n) } });
    if (n === 100) process.stdout.write("going\n");
  }
}
