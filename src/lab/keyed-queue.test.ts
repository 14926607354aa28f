import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KeyedQueue } from "./keyed-queue.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a keyed queue", () => {
  it("does a key once for many requests, and again for those that come while it runs", async () => {
    const done: string[] = [];
    let free = Promise.withResolvers<void>();
    const queue = new KeyedQueue({
      work: async (key) => {
        done.push(key);
        await free.promise;
      },
    });
    queue.add("a");
    queue.add("a");
    await vi.advanceTimersByTimeAsync(1);
    expect(done).toEqual(["a"]);
    queue.add("a");
    queue.add("a");
    free.resolve();
    free = Promise.withResolvers<void>();
    free.resolve();
    await vi.advanceTimersByTimeAsync(10);
    expect(done).toEqual(["a", "a"]);
  });

  it("lets a key rest between two runs", async () => {
    const work = vi.fn(async () => {});
    const queue = new KeyedQueue({ work, restMs: 50 });
    queue.add("a");
    await vi.advanceTimersByTimeAsync(1);
    queue.add("a");
    await vi.advanceTimersByTimeAsync(40);
    expect(work).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(work).toHaveBeenCalledTimes(2);
  });

  it("tries again after a failure, later each time, but at once when asked", async () => {
    const work = vi.fn(async () => {
      throw new TypeError("no");
    });
    const queue = new KeyedQueue({ work, backoffMs: [100, 1000] });
    queue.add("a");
    await vi.advanceTimersByTimeAsync(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(work).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(150);
    expect(work).toHaveBeenCalledTimes(2);
    queue.add("a");
    await vi.advanceTimersByTimeAsync(1);
    expect(work).toHaveBeenCalledTimes(3);
    await queue.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(work).toHaveBeenCalledTimes(3);
  });

  it("runs as many keys at a time as it may, and waits for them when stopped", async () => {
    const free = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    const queue = new KeyedQueue({
      width: 2,
      work: async () => {
        most = Math.max(most, ++running);
        await free.promise;
        running--;
      },
    });
    for (const key of ["a", "b", "c"]) queue.add(key);
    await vi.advanceTimersByTimeAsync(1);
    expect(running).toBe(2);
    const stopped = queue.stop();
    free.resolve();
    await stopped;
    expect([running, most]).toEqual([0, 2]);
  });

  it("never runs a key twice at a time, however often it is asked for while it stands in line", async () => {
    const free = Promise.withResolvers<void>();
    const started: string[] = [];
    const queue = new KeyedQueue({
      width: 2,
      work: async (key) => {
        started.push(key);
        if (key !== "b") await free.promise;
      },
    });
    queue.add("long");
    queue.add("other");
    await vi.advanceTimersByTimeAsync(1);
    queue.add("b");
    await vi.advanceTimersByTimeAsync(1);
    queue.add("b");
    await vi.advanceTimersByTimeAsync(1);
    queue.forget("b");
    queue.add("b");
    await vi.advanceTimersByTimeAsync(1);
    free.resolve();
    await vi.advanceTimersByTimeAsync(1);
    expect(started).toEqual(["long", "other", "b"]);
  });

  it("keeps nothing of keys that are done or forgotten, and rests those that may come back", async () => {
    let free = Promise.withResolvers<void>();
    const work = vi.fn(() => free.promise);
    const resting = new KeyedQueue({ work, restMs: 50 });
    resting.add("a");
    await vi.advanceTimersByTimeAsync(1);
    resting.forget("a");
    expect(resting.size).toBe(1);
    free.resolve();
    await vi.advanceTimersByTimeAsync(1);
    expect(resting.size).toBe(0);
    resting.add("a");
    await vi.advanceTimersByTimeAsync(1);
    expect(resting.size).toBe(1);
    free = Promise.withResolvers<void>();
    free.resolve();
    const plain = new KeyedQueue({ work });
    plain.add("b");
    await vi.advanceTimersByTimeAsync(1);
    expect(plain.size).toBe(0);
  });
});
