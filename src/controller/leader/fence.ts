// A store that writes only as long as its user leads. A process that was paused wakes up in the middle of its work, before
// any timer of its own has run: what it then writes must be stopped where it is written.
import type { Store } from "../../store/store.ts";

/**
 * Returns the same store, whose writes fail once `assertLeads` throws.
 * @param assertLeads called before each write
 */
export function fenced(store: Store, assertLeads: () => void): Store {
  return {
    get: (kind, name, namespace) => store.get(kind, name, namespace),
    list: (kind, namespace) => store.list(kind, namespace),
    watch: (kind, options) => store.watch(kind, options),
    async create(kind, draft) {
      assertLeads();
      return store.create(kind, draft);
    },
    async update(kind, object) {
      assertLeads();
      return store.update(kind, object);
    },
    async delete(kind, name, namespace, options) {
      assertLeads();
      return store.delete(kind, name, namespace, options);
    },
    // The store is its opener's, who closes it.
    close: () => Promise.resolve(),
  };
}
