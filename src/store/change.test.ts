import { expect, it } from "vitest";
import { configMapKind } from "../api/kinds/core.ts";
import { TrunklineError } from "../base/errors.ts";
import { change } from "./change.ts";
import { memoryStore } from "./memory.ts";
import { map } from "./store.suite.ts";
import type { Store } from "./store.ts";

async function contested(conflicts: number) {
  const store = memoryStore();
  await store.create(configMapKind, map("one"));
  let tries = 0;
  const update: Store["update"] = async (kind, object) => {
    if (++tries > conflicts) return store.update(kind, object);
    throw new TrunklineError("store.conflict", { kind: kind.kind, key: "one", why: "somebody was quicker" });
  };
  const beaten = { get: store.get.bind(store), update } as Store;
  return { beaten, tries: () => tries };
}

const edit = <T extends { readonly metadata: object }>(object: T): T => ({ ...object, data: { a: "b" } });
const { name, namespace } = map("one").metadata;

it("is made again over what others wrote meanwhile", async () => {
  const { beaten, tries } = await contested(4);
  const object = await change(beaten, configMapKind, { name, namespace }, edit, undefined, undefined, 1);
  expect(object?.data).toEqual({ a: "b" });
  expect(tries()).toBe(5);
});

it("ends with the conflict where it is never the first", async () => {
  const { beaten, tries } = await contested(Number.POSITIVE_INFINITY);
  const work = change(beaten, configMapKind, { name, namespace }, edit, undefined, undefined, 0);
  await expect(work).rejects.toMatchObject({ code: "store.conflict" });
  expect(tries()).toBe(21);
});
