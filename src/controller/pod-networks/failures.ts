// What a call that failed means for the pod that waits for it: a word, the provider's own words, and what would help.
import type { Node } from "../../api/kinds/core.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import { isExhausted, isFull, isThrottled } from "../../cloud/provider.ts";
import { zoneLabel } from "../../plan/subnets/admission.ts";
import type { Wait, WaitReason } from "../../plan/subnets/pod-eni/words.ts";

/** A pod waits, and not because of an error of ours. */
export class Waits extends Error {
  readonly wait: Wait;

  constructor(reason: WaitReason, text: string) {
    super(text);
    this.name = "Waits";
    this.wait = { reason, text };
  }
}

/** Returns what a pod waits for after such an error; undefined where the error is not the provider's. */
export function waitAfter(error: unknown, place: { readonly node: string }): Wait | undefined {
  if (error instanceof Waits) return error.wait;
  if (!(error instanceof TrunklineError)) return undefined;
  if (!isError(error, "cloud.refused") && !isError(error, "cloud.no-answer")) return undefined;
  const why = textOf(error);
  if (isThrottled(error))
    return {
      reason: "ProviderThrottled",
      text: `the provider asks for patience (${why}); it is asked again by itself`,
    };
  if (isExhausted(error))
    return {
      reason: "VSwitchExhausted",
      text: `${why}; delete pods of that vSwitch, or add a vSwitch to the network`,
    };
  if (isFull(error))
    return {
      reason: "NodeFull",
      text: `node ${place.node} takes no more interfaces (${why}); let pods run on other nodes, or use a larger machine`,
    };
  return {
    reason: "ProviderError",
    text: `the provider did not do what is needed (${why}); it is asked again by itself`,
  };
}

/** Returns why a pod on a node of another zone waits. */
export function zoneMismatch({ metadata }: Node, what: string, zones: readonly string[]): Waits {
  const zone = metadata.labels?.[zoneLabel] ?? "none";
  const text = `${what} zone ${zones.join(", ")}`.replace("zone zone", "zone");
  return new Waits(
    "ZoneMismatch",
    `${text}, and the pod is on node ${metadata.name} in zone ${zone}: delete the pod, so that it is placed anew`,
  );
}
