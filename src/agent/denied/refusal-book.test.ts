import { expect, it } from "vitest";
import type { Refusal } from "../../explain/denied/refusal.ts";
import { RefusalBook } from "./refusal-book.ts";

const made = (time: string): Refusal => ({
  first: time,
  last: time,
  packets: 1,
  node: "n1",
  direction: "ingress",
  from: { name: null, address: "10.0.0.2" },
  to: { name: null, address: "10.0.0.1" },
  port: "80/tcp",
  by: { kind: "policy", site: "ingress", policies: [] },
  reason: "",
  help: null,
});

it("has one entry a flow and minute, and counts its packets", () => {
  const book = new RefusalBook();
  const note = (key: string, now: number) => book.note(key, now, `t${now}`, () => made(`t${now}`));
  expect(note("a", 0)?.number).toBe(1);
  expect(note("a", 59_999)).toBeUndefined();
  expect(note("b", 59_999)?.number).toBe(2);
  expect(note("a", 60_000)?.number).toBe(3);
  expect(book.after(0).map(({ number, packets, last }) => [number, packets, last])).toEqual([
    [1, 2, "t59999"],
    [2, 1, "t59999"],
    [3, 1, "t60000"],
  ]);
  expect(book.after(2).map(({ number }) => number)).toEqual([3]);
  expect(book.last).toBe(3);
});

it("keeps so many entries and no more, the latest", () => {
  const book = new RefusalBook(3);
  for (let at = 0; at < 20; at++) book.note(`flow ${at}`, at, `t${at}`, () => made(`t${at}`));
  expect(book.after(0).map(({ number }) => number)).toEqual([18, 19, 20]);
});
