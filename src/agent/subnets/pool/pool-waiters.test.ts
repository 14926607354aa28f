import { expect, it } from "vitest";
import { PoolWaiters } from "./pool-waiters.ts";

const holder = (key: string) => ({ key, uid: key });
const outcome = (promise: Promise<string>) => promise.catch((error: Error) => error.message);

it("who has waited the longest is served first, and the others wait on", async () => {
  const waiters = new PoolWaiters(60_000, () => new Error("too long"));
  const all = ["a", "b", "c"].map((key) => outcome(waiters.wait(holder(key))));
  const free = ["1", "2"];
  waiters.serve(() => free.shift());
  expect(waiters.holders).toEqual([holder("c")]);
  waiters.reject(new Error("not yet"), 30_000);
  expect(waiters.holders).toHaveLength(1);
  waiters.reject(new Error("over"));
  expect(await Promise.all(all)).toEqual(["1", "2", "over"]);
});

it("nobody waits for ever", async () => {
  const waiters = new PoolWaiters(1, () => new Error("too long"));
  expect(await outcome(waiters.wait(holder("a")))).toBe("too long");
  expect(waiters.holders).toEqual([]);
});
