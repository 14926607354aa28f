import { expect, it } from "vitest";
import { nodeConfigKind } from "../../api/kinds/node-config.ts";
import { memoryStore } from "../../store/memory.ts";
import { changeNodeConfig } from "./config-manager.ts";

const eni = (used: number) => ({
  id: "eni-1",
  vSwitchID: "vsw-1",
  securityGroupIDs: [],
  mac: "",
  hash: "h",
  used,
  idle: 0,
});

// Terway lost which pod had which address when another part wrote the same status (c2a5d9b).
it("who writes one part of a node's status takes nothing of another part away, however often they meet", async () => {
  const store = memoryStore();
  await changeNodeConfig(store, "n", () => ({ sources: [], findings: [] }));
  for (let round = 1; round <= 20; round++)
    await Promise.all([
      changeNodeConfig(store, "n", (before) => ({ sources: [], findings: [], ...before, hash: `${round}` })),
      changeNodeConfig(store, "n", (before) => before && { ...before, interfaces: [eni(round)] }),
      changeNodeConfig(store, "n", (before) => before && { ...before, zone: `z${round}` }),
    ]);
  expect((await store.get(nodeConfigKind, "n"))?.status).toMatchObject({
    hash: "20",
    zone: "z20",
    interfaces: [{ id: "eni-1", used: 20 }],
  });
});
