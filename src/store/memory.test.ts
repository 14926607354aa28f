import { memoryStore } from "./memory.ts";
import { storeSuite } from "./store.suite.ts";

storeSuite("memory", async () => {
  const store = memoryStore({ history: 300 });
  return { stores: [store, store], history: 300, close: () => store.close() };
});
