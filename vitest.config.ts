import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// One process, shuffled order: a test that leans on another one's leftovers must fail.
const common = {
  pool: "forks" as const,
  isolate: false,
  sequence: { shuffle: { files: true, tests: true } },
  // None of these is how long anything takes on a machine that has time: on one that has none, what is waited for comes late, and
  // a test of what comes must not fail for when it came.
  testTimeout: 60_000,
  expect: { poll: { timeout: 20_000 } },
  // A lab that starts beside other work takes longer than vitest's ten seconds.
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "unit",
          include: ["src/**/*.test.ts", "scripts/**/*.test.ts", "bench/**/*.test.ts"],
          // One processor less is vitest's own choice; many of these wait, so that half of the time nothing ran.
          maxWorkers: availableParallelism(),
        },
      },
      { test: { ...common, name: "kernel", include: ["test/kernel/**/*.test.ts"], testTimeout: 240_000 } },
      { test: { ...common, name: "store", include: ["test/store/**/*.test.ts"], testTimeout: 240_000 } },
      {
        test: {
          ...common,
          name: "kube",
          include: ["test/kube/**/*.test.ts"],
          testTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...common,
          name: "cluster",
          include: ["test/cluster/**/*.test.ts"],
          testTimeout: 900_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...common,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 120_000,
          // Labs wait most of the time, and those of two files know nothing of each other.
          maxWorkers: 2,
        },
      },
      {
        test: {
          ...common,
          name: "vm",
          include: ["test/vm/**/*.test.ts"],
          exclude: ["test/vm/flow-tables.test.ts"],
          globalSetup: "test/vm/make-programs.ts",
          testTimeout: 900_000,
          // Each machine keeps one processor busy.
          maxWorkers: 2,
        },
      },
      // Ten minutes, or twice that on a busy machine: more than `.ci/run` has left.
      {
        test: {
          ...common,
          name: "vm-long",
          include: ["test/vm/flow-tables.test.ts"],
          globalSetup: "test/vm/make-programs.ts",
        },
      },
      {
        test: {
          ...common,
          name: "faults",
          include: ["test/faults/**/*.test.ts"],
          testTimeout: 900_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...common,
          name: "long",
          include: ["test/long/**/*.test.ts"],
          testTimeout: 1_200_000,
          fileParallelism: false,
          // Random labs beside each other: they wait most of the time.
          maxConcurrency: 3,
        },
      },
    ],
  },
});
