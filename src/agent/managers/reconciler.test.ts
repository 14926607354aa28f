import { describe, expect, it } from "vitest";
import { silent } from "../../base/log.ts";
import { emptyFacts, type NodeFacts } from "../../plan/facts.ts";
import type { Changes, Manager } from "./manager.ts";
import { Reconciler } from "./reconciler.ts";

const node: NodeFacts = { node: "n", addresses: ["192.0.2.1"], uplink: "up0", endpoints: new Map() };

/** Writes down what it was called with, and does what the test says. */
class Scripted implements Manager {
  readonly name: string;
  readonly calls: string[] = [];
  onApply: () => Promise<void> = async () => {};

  constructor(name: string) {
    this.name = name;
  }

  async apply(_facts: unknown, _node: unknown, changes: Changes): Promise<void> {
    const texts = [...changes].map(
      ([kind, keys]) => `${kind}=${keys === "all" ? "all" : [...keys].toSorted().join("+")}`,
    );
    this.calls.push(texts.toSorted().join(" "));
    await this.onApply();
  }

  async resync(): Promise<void> {
    this.calls.push("resync");
  }
}

function reconciler(managers: readonly Manager[], more: object = {}) {
  return new Reconciler({
    managers,
    facts: emptyFacts(),
    node: () => node,
    logger: silent,
    backoffMs: [1, 4],
    ...more,
  });
}

describe("Reconciler", () => {
  it("tells a manager only of the kinds that it asks for, and waits for none that was not told", async () => {
    const [some, all] = [Object.assign(new Scripted("some"), { kinds: ["pods"] }), new Scripted("all")];
    const loop = reconciler([some, all]);
    for (const kind of ["nodes", "pods"]) loop.noteAll(kind);
    loop.start();
    await loop.inForce();
    loop.note("nodes", "a");
    await loop.inForce();
    loop.note("pods", "x/p");
    await loop.inForce();
    expect(some.calls).toEqual(["pods=all", "pods=x/p"]);
    expect(all.calls).toEqual(["nodes=all pods=all", "nodes=a", "pods=x/p"]);
    expect(loop.startedOnce).toBe(true);
    await loop.stop();
  });

  it("hands over what has gathered, once to each manager, in order", async () => {
    const order: string[] = [];
    const [first, second] = [new Scripted("first"), new Scripted("second")];
    first.onApply = async () => void order.push("first");
    second.onApply = async () => void order.push("second");
    const loop = reconciler([first, second]);
    loop.noteAll("nodes");
    loop.note("nodes", "a");
    loop.note("pods", "x/b");
    loop.note("pods", "x/a");
    expect(loop.startedOnce).toBe(false);
    loop.start();
    await loop.inForce();
    expect(first.calls).toEqual(["nodes=all pods=x/a+x/b"]);
    expect(second.calls).toEqual(first.calls);
    expect(order).toEqual(["first", "second"]);
    expect(loop.startedOnce).toBe(true);
    await loop.stop();
  });

  it("does not wait with the first change, and takes those that follow it closely together", async () => {
    const manager = new Scripted("one");
    const rests: number[] = [];
    const rested = Promise.withResolvers<void>();
    let now = 0;
    const clock = {
      now: () => now,
      sleep: (ms: number) => {
        rests.push(ms);
        return rested.promise;
      },
    };
    const loop = reconciler([manager], { clock });
    loop.start();
    // Nothing has happened for some time.
    now = 10;
    loop.note("pods", "1");
    await loop.inForce();
    expect([manager.calls, rests]).toEqual([["pods=1"], []]);
    loop.note("pods", "2");
    await expect.poll(() => rests).toEqual([2]);
    loop.note("pods", "3");
    rested.resolve();
    await loop.inForce();
    expect(manager.calls).toEqual(["pods=1", "pods=2+3"]);
    await loop.stop();
  });

  it("gathers what comes while a manager works, and never calls it beside itself", async () => {
    const slow = new Scripted("slow");
    const gate = Promise.withResolvers<void>();
    let inside = 0;
    let most = 0;
    slow.onApply = async () => {
      most = Math.max(most, ++inside);
      await gate.promise;
      inside--;
    };
    const loop = reconciler([slow]);
    loop.note("pods", "1");
    loop.start();
    await expect.poll(() => inside).toBe(1);
    loop.note("pods", "2");
    loop.note("pods", "3");
    const done = loop.inForce();
    gate.resolve();
    await done;
    expect(slow.calls).toEqual(["pods=1", "pods=2+3"]);
    expect(most).toBe(1);
    await loop.stop();
  });

  it("repeats a failed call with all that was missed, and tells of the failure until then", async () => {
    const weak = new Scripted("weak");
    const strong = new Scripted("strong");
    let failures = 3;
    weak.onApply = async () => {
      if (failures-- > 0) throw new Error("no luck");
    };
    const told: unknown[] = [];
    const loop = reconciler([weak, strong], {
      onApplied: (manager: string, _seconds: number, error: unknown) =>
        told.push([manager, error !== undefined]),
    });
    loop.note("pods", "1");
    loop.start();
    await expect.poll(() => loop.failures()).toEqual([{ manager: "weak", error: "no luck" }]);
    loop.note("pods", "2");
    await loop.inForce();
    expect(weak.calls.at(-1)).toBe("pods=1+2");
    expect(strong.calls.length).toBeLessThan(weak.calls.length);
    expect(loop.failures()).toEqual([]);
    expect(told).toContainEqual(["weak", true]);
    expect(told.at(-1)).toEqual(["weak", false]);
    await loop.stop();
  });

  it("stops waiting when the patience is over, and says for whom", async () => {
    const never = new Scripted("never");
    never.onApply = async () => {
      throw new Error("broken");
    };
    const loop = reconciler([never], { patience: 0.05 });
    loop.note("pods", "1");
    loop.start();
    await expect(loop.inForce()).rejects.toMatchObject({
      code: "agent.not-applied",
      data: { manager: "never", why: "broken" },
    });
    expect(loop.startedOnce).toBe(false);
    await loop.stop();
  });

  it("asks only those for a resync whom it concerns", async () => {
    const [a, b] = [new Scripted("a"), new Scripted("b")];
    const loop = reconciler([a, b]);
    loop.start();
    loop.noteResync((manager) => manager.name === "b");
    await loop.inForce();
    expect([a.calls, b.calls]).toEqual([[], ["resync"]]);
    await loop.stop();
  });

  it("is held up by nothing that is noted while it waits", async () => {
    const manager = new Scripted("m");
    const loop = reconciler([manager]);
    // Each application causes another change (not for ever, so that a failure ends): a wait must end all the same.
    manager.onApply = async () => {
      if (manager.calls.length < 50) loop.note("pods", "again");
    };
    loop.note("pods", "first");
    loop.start();
    await loop.inForce();
    expect(manager.calls.length).toBeLessThan(50);
    await loop.stop();
  });
});
