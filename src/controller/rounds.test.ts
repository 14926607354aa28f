import { setImmediate as aWhile, setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { silent } from "../base/log.ts";
import { Rounds } from "./rounds.ts";

const plain = { gatherMs: 1, againMs: 1, logger: silent, failure: "it failed" };

it("looks once for changes that come together, and again for one that comes while it looks", async () => {
  let looks = 0;
  const gate = Promise.withResolvers<void>();
  const rounds = new Rounds({
    ...plain,
    async look() {
      if (++looks === 1) await gate.promise;
    },
  });
  rounds.soon();
  rounds.soon();
  await expect.poll(() => looks).toBe(1);
  rounds.soon();
  await sleep(10);
  expect(looks).toBe(1);
  gate.resolve();
  await expect.poll(() => looks).toBe(2);
  await rounds.stop();
});

it("looks again after a failure, by itself", async () => {
  let looks = 0;
  const rounds = new Rounds({
    ...plain,
    look: () => (++looks < 3 ? Promise.reject(new Error("away")) : Promise.resolve()),
  });
  rounds.soon();
  await expect.poll(() => looks).toBe(3);
  await rounds.stop();
});

it("waits at its end for the look that is under way, but not for ever, and begins none after it", async () => {
  let looks = 0;
  let isOver = false;
  const gate = Promise.withResolvers<void>();
  const look = async (signal: AbortSignal) => {
    looks++;
    await gate.promise;
    isOver = signal.aborted;
  };
  const patient = new Rounds({ ...plain, look });
  patient.soon();
  await expect.poll(() => looks).toBe(1);
  const stopping = patient.stop();
  await aWhile();
  gate.resolve();
  await stopping;
  expect(isOver).toBe(true);
  patient.soon();
  await sleep(10);
  expect(looks).toBe(1);

  const endless = () => {
    looks++;
    return new Promise<void>(() => {});
  };
  const hanging = new Rounds({ ...plain, patienceMs: 1, look: endless });
  hanging.soon();
  await expect.poll(() => looks).toBe(2);
  await hanging.stop();
});
