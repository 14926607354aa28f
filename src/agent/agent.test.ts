import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "../base/log.ts";
import { fakeMachine } from "../kernel/index.ts";
import { memoryStore } from "../store/memory.ts";
import { startAgent } from "./agent.ts";
import type { Manager } from "./managers/manager.ts";

describe("an agent", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "trunkline-agent-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("ends all its parts, also those behind one that cannot end well", async () => {
    const machine = fakeMachine();
    machine.createNetns("node");
    const store = memoryStore();
    const ended: string[] = [];
    const manager = (name: string, stop: () => void): Manager => ({
      name,
      apply: async () => {},
      resync: async () => {},
      stop,
    });
    const socketPath = path.join(folder, "agent.sock");
    const agent = await startAgent({
      node: "a",
      store,
      machine,
      netns: { name: "node" },
      stateDir: folder,
      socketPath,
      logger: silent,
      addresses: async () => ({
        allocate: async () => [],
        release: async () => {},
        owners: () => [],
        notReady: () => undefined,
        stop: async () => void ended.push("addresses"),
      }),
      managers: () => [
        manager("first", () => ended.push("first")),
        manager("broken", () => {
          throw new Error("the kernel refuses");
        }),
        manager("last", () => ended.push("last")),
      ],
    });
    expect(existsSync(socketPath)).toBe(true);
    await agent.stop();
    expect(existsSync(socketPath)).toBe(false);
    expect(ended).toEqual(["last", "first", "addresses"]);
    await store.close();
  });
});
