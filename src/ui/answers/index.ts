// The questions of /api/v1/, by the first word of their path.
import type { Sources } from "../sources.ts";
import { aboutAnswer } from "./about.ts";
import { addressesAnswer } from "./addresses.ts";
import { endsAnswer } from "./ends.ts";
import { explainAnswer } from "./explain.ts";
import { listsAnswer } from "./lists.ts";
import { mapAnswer } from "./map.ts";
import { matrixAnswer } from "./matrix.ts";

/** @param path what follows the first word */
type Answer = (sources: Sources, query: URLSearchParams, path: readonly string[]) => Promise<unknown>;
/** Returns how to stop. */
type Stream = (sources: Sources, send: (event: string, data: unknown) => void) => () => void;

export const answers: Readonly<Record<string, Answer>> = {
  about: async (sources) => aboutAnswer(sources),
  map: async (sources) => mapAnswer(sources.facts(), sources.revision()),
  ends: async (sources, query) => endsAnswer(sources.facts(), query),
  explain: explainAnswer,
  matrix: matrixAnswer,
  addresses: addressesAnswer,
  lists: listsAnswer,
  refused: (sources) => sources.refused(),
};

export const streams: Readonly<Record<string, Stream>> = {
  events: (sources, send) => {
    send("change", { revision: sources.revision(), kinds: [] });
    return sources.onChange((event) => send("change", event));
  },
  "refused/stream": (sources, send) => sources.onRefused((answer) => send("refused", answer)),
};
