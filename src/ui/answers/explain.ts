// One flow explained: what `trunkline explain` says, and the same in steps.

import { TrunklineError } from "../../base/errors.ts";
import { explainAsked } from "../../explain/asked.ts";
import { findEnd } from "../../explain/ends.ts";
import { verdictOf } from "../../explain/explain.ts";
import { headline } from "../../explain/explain-text.ts";
import { isService, parseEnd, parseTarget } from "../../explain/target.ts";
import type { ExplainAnswer } from "../api.ts";
import type { Sources } from "../sources.ts";
import { optional, wanted } from "./query.ts";
import { stepsOf } from "./steps.ts";

/** @throws TrunklineError `ui.missing`, `explain.end`, `explain.port`, `explain.service-from`, and those of `explainAsked` */
export async function explainAnswer(sources: Sources, query: URLSearchParams): Promise<ExplainAnswer> {
  const from = wanted(query, "from");
  const start = parseEnd(from);
  const target = parseTarget(wanted(query, "to"));
  if (isService(start)) throw new TrunklineError("explain.service-from", { name: from });
  const namespace = optional(query, "namespace") ?? "default";
  const [{ facts, judges, isWhole }, objects] = await Promise.all([sources.picture(), sources.services()]);
  const sender = findEnd(facts, start, namespace);
  const { answer } = explainAsked(facts, judges, objects, sender, target, namespace, isWhole);
  return {
    verdict: verdictOf(answer),
    headline: headline(answer),
    steps: stepsOf(answer),
    explanation: answer,
  };
}
