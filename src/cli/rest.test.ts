import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { silent } from "../base/log.ts";
import { tidyAtRest } from "./rest.ts";

/** Lets windows pass in each of which so much CPU time is used, in milliseconds; returns how often was tidied by then. */
function watched(giveBackProgramPages: () => number = () => 1) {
  let cpuMs = 0;
  let heldMib = 50;
  let next = (): void => undefined;
  const done: string[] = [];
  const ended = tidyAtRest({
    collectGarbage: () => done.push("garbage"),
    giveBackFreeMemory: () => done.push("memory"),
    giveBackProgramPages: () => {
      done.push("pages");
      return giveBackProgramPages();
    },
    heldMib: () => heldMib,
    cpuMs: () => cpuMs,
    pause: () =>
      new Promise<void>((resolve) => {
        next = resolve;
      }),
    logger: silent,
  });
  const pass = async (...windows: number[]) => {
    for (const used of windows) {
      cpuMs += used;
      next();
      await turn();
      // What follows the collection is no window.
      if (done.at(-1) === "garbage") {
        next();
        await turn();
      }
    }
    return done.length / 3;
  };
  const grow = (mib: number) => (heldMib += mib);
  return { pass, grow, done, ended };
}

it("tidies up once after the start, and once after every busy time, never while there is work", async () => {
  const { pass, done } = watched();
  expect(await pass(1500, 1000, 100)).toBe(0);
  expect(await pass(10)).toBe(1);
  expect(done).toEqual(["garbage", "memory", "pages"]);
  expect(await pass(10, 10, 80, 10, 10)).toBe(1);
  expect(await pass(400)).toBe(1);
  expect(await pass(10)).toBe(2);
});

it("tidies up once after a short piece of work that has left much behind", async () => {
  const { pass, grow } = watched();
  grow(30);
  expect(await pass(10, 10)).toBe(1);
  grow(10);
  expect(await pass(10, 10)).toBe(1);
  grow(10);
  expect(await pass(100)).toBe(1);
  expect(await pass(10)).toBe(2);
  expect(await pass(10, 10)).toBe(2);
});

it("ends where memory cannot be given back", async () => {
  const { pass, ended } = watched(() => {
    throw new TypeError("no");
  });
  await pass(0);
  await ended;
});
