// What kubectl 1.37.2 sent for texts and the API server made of them (`kubectl create --dry-run=server --validate=ignore`),
// and what is read here. The tolerations that the server adds by itself are left out.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { withDefaults } from "../defaults.ts";
import { parseManifests } from "./parse.ts";

interface Case {
  readonly text: string;
  readonly taken: boolean;
  readonly why?: string;
  readonly metadata?: unknown;
  readonly spec?: unknown;
}

const cases = JSON.parse(
  readFileSync(new URL("../fixtures/kubectl-texts.json", import.meta.url), "utf8"),
) as readonly Case[];

/** `create` stores the empty text for a label with nothing behind it, `apply` drops it, and so do we. */
const droppedHere = /app: (?:null|~|)\n/;

describe("texts, as kubectl reads them", () => {
  it.each(cases.map((one) => [one.text.replaceAll("\n", "⏎").slice(0, 300), one] as const))(
    "%s",
    (_, one) => {
      const { objects, errors } = parseManifests(one.text, "f.yaml");
      const taken = errors.length === 0 && objects.length === 1;
      expect(taken, `${one.why}\n${errors.map(({ message }) => message).join("\n")}`).toBe(one.taken);
      const [object] = objects;
      if (!taken || !object?.kind) return;
      const ours = withDefaults(object.kind, object.draft) as unknown as {
        spec?: object;
        metadata: { labels?: object };
      };
      if (ours.spec) expect(one.spec).toMatchObject(ours.spec);
      if (droppedHere.test(one.text)) expect(ours.metadata.labels ?? {}).toEqual({});
      else if (ours.metadata.labels) expect(one.metadata).toMatchObject({ labels: ours.metadata.labels });
    },
  );
});
