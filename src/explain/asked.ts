// A question as it was asked, from a sender to a pod, a machine, an address or a Service: finds who is meant, and explains.
import type { ClusterFacts } from "../plan/facts.ts";
import type { ServiceObjects } from "../plan/services.ts";
import { type End, findEnd } from "./ends.ts";
import { type Explanation, explain } from "./explain.ts";
import type { Judges } from "./judges/judge.ts";
import { explainService } from "./services/explain-service.ts";
import { checkNobodys, serviceTarget } from "./services/target.ts";
import type { ServiceExplanation } from "./services/types.ts";
import type { Target } from "./target.ts";

export type AskedAnswer =
  | { readonly service: ServiceExplanation; readonly answer: ServiceExplanation; readonly end?: undefined }
  | { readonly service?: undefined; readonly answer: Explanation; readonly end: End };

/**
 * Explains a flow from `sender` to what `target` names.
 * @param isWhole whether all of the network is known, rules of kube-proxy's too
 * @throws TrunklineError `explain.unknown-end`, `explain.no-pods`, and those of `explain`, `serviceTarget` and `checkNobodys`
 */
export function explainAsked(
  facts: ClusterFacts,
  judges: Judges,
  objects: ServiceObjects,
  sender: End,
  target: Target,
  namespace: string,
  isWhole: boolean,
): AskedAnswer {
  const front = serviceTarget(facts, objects, sender, target, namespace);
  if (front) {
    const service = explainService(facts, judges, objects, sender, front);
    return { service, answer: service };
  }
  if (!isWhole) checkNobodys(facts, objects, target);
  const end = findEnd(facts, target.end, namespace);
  return { answer: explain(facts, judges, sender, end, target.port), end };
}
