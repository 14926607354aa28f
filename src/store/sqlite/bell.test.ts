import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Bell } from "./bell.ts";

let folder: string;
let bells: Bell[];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-bell-"));
  bells = [];
});

afterEach(() => {
  for (const bell of bells) bell.close();
  rmSync(folder, { recursive: true, force: true });
});

function bell(...more: [onRing?: () => void, watchFile?: ConstructorParameters<typeof Bell>[2]]): Bell {
  const [onRing = () => {}, watchFile] = more;
  const made = new Bell(path.join(folder, "store.db"), onRing, watchFile);
  bells.push(made);
  return made;
}

it("rings by events, and polls seldom besides", async () => {
  let isRung = false;
  const here = bell(() => (isRung = true));
  here.listen(true);
  bell().ring();
  await vi.waitFor(() => expect(isRung).toBe(true), 20_000);
  expect(here.periodMs).toBe(1000);
});

it("polls more often where no file can be watched", async () => {
  let isRung = false;
  const here = bell(
    () => (isRung = true),
    () => {
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    },
  );
  here.listen(true);
  expect(here.periodMs).toBe(250);
  await vi.waitFor(() => expect(isRung).toBe(true), 20_000);
});

it("polls more often once somebody has put another file in the bell's place", async () => {
  const here = bell();
  here.listen(true);
  expect(here.periodMs).toBe(1000);
  renameSync(path.join(folder, "store.db-bell"), path.join(folder, "away"));
  await vi.waitFor(() => expect(here.periodMs).toBe(250), 20_000);
});
