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
  waiters.reject(new Error("over"));
  expect(await Promise.all(all)).toEqual(["1", "2", "over"]);
});

it("nobody waits for ever", async () => {
  const waiters = new PoolWaiters(1, () => new Error("too long"));
  expect(await outcome(waiters.wait(holder("a")))).toBe("too long");
  expect(waiters.holders).toEqual([]);
});

it("who waits for long is told once what for, and waits on", async () => {
  const waiters = new PoolWaiters(60_000, () => new Error("too long"));
  const told: string[] = [];
  const waiting = outcome(waiters.wait(holder("a"), ({ message }) => told.push(message)));
  waiters.tell(new Error("not long yet"), 30_000);
  waiters.tell(new Error("throttled"), 0);
  waiters.tell(new Error("throttled again"), 0);
  expect([told, waiters.holders]).toEqual([["throttled"], [holder("a")]]);
  waiters.serve(() => "1");
  expect(await waiting).toBe("1");
});
