// What the page shows before anything else: whose cluster this is, and what can be done here.
import type { About } from "../api.ts";
import type { Sources } from "../sources.ts";

export function aboutAnswer(sources: Sources): About {
  return {
    ...sources.about,
    revision: sources.revision(),
    namespaces: [...sources.facts().namespaces.keys()].toSorted(),
  };
}
