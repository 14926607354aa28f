// Sources of facts alone, for tests.
import { judgesOf } from "../explain/judges/plans.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { noServices } from "../plan/services.ts";
import type { Sources } from "./sources.ts";

/** Returns what answers from these facts, as a lab that sends no packets. */
export function fakeSources(facts: ClusterFacts): Sources {
  const judges = judgesOf(facts);
  return {
    about: { version: "0", kind: "lab", name: "test", probe: true, refused: true },
    revision: () => 1,
    facts: () => facts,
    picture: async () => ({ facts, judges, isWhole: false }),
    services: async () => noServices,
    lists: async () => [],
    ledgers: async () => new Map(),
    probe: () => Promise.reject(new TypeError("no packets in tests")),
    refused: async () => ({ refusals: [], silent: [] }),
    onChange: () => () => undefined,
    onRefused: () => () => undefined,
  };
}
