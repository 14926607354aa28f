// The world of one test of allocators that run beside each other: a clock, a store, and the nodes that were started in it.
import { afterEach, beforeEach } from "vitest";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { FakeClock, podOwner, settle, startNode, type TestNode } from "./harness.suite.ts";
import type { Want } from "./types.ts";

export class TestWorld {
  readonly clock = new FakeClock();
  readonly store: Store = memoryStore();
  readonly nodes: TestNode[] = [];

  async start(name: string, options: Parameters<typeof startNode>[2] = {}): Promise<TestNode> {
    const node = await startNode(this, name, options);
    this.nodes.push(node);
    return node;
  }

  /** Returns the first address that a pod is given. */
  async give({ ipam }: TestNode, name: string, ...wants: Want[]): Promise<string> {
    const holding = await settle(this.clock, ipam.allocate({ owner: podOwner(name), wants }));
    return holding.addresses[0]?.address ?? "";
  }

  async end(): Promise<void> {
    for (const { fates } of this.nodes) fates.kill();
    await this.store.close();
  }
}

/** Makes a world before each test of the file, hands it over, and ends it afterwards. */
export function everyTest(use: (world: TestWorld) => void): void {
  let world: TestWorld;
  beforeEach(() => {
    world = new TestWorld();
    use(world);
  });
  afterEach(() => world.end());
}
