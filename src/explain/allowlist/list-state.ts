// What an AddressList's status says of its sinks, and in one word of all of it. Controller, agents and whoever puts lists into
// sinks write to it, each its own part.
import { withCondition } from "../../api/conditions.ts";
import type { AddressList, SinkState } from "../../api/kinds/address-list.ts";
import type { Condition, Node } from "../../api/kinds/core.ts";
import { placesOf } from "./listed.ts";

type Status = NonNullable<AddressList["status"]>;

/** Returns the state of every sink in every place where it is to be; of those that nobody has spoken of, that. */
export function sinkStates(list: AddressList, nodes: ReadonlyMap<string, Node>, at: string): SinkState[] {
  const known = new Map((list.status?.sinks ?? []).map((state) => [stateKey(state), state]));
  return (list.spec.sinks ?? []).flatMap((sink) =>
    placesOf(sink, nodes).map((place): SinkState => {
      const state = { name: sink.name, at: place };
      return (
        known.get(stateKey(state)) ?? {
          ...state,
          revision: 0,
          ranges: 0,
          error: unheardOf(place),
          errorSince: at,
        }
      );
    }),
  );
}

function unheardOf(place: string): string {
  const [kind, name] = place.split("/");
  const who =
    kind === "host"
      ? `'trunkline sinks --host ${name}'`
      : kind === "node"
        ? `the agent of ${name}`
        : "the controller";
  return `${who} has not said anything yet`;
}

export function stateKey({ name, at }: Pick<SinkState, "name" | "at">): string {
  return `${name}@${at}`;
}

/** Returns the status with what one place says of its sink. */
export function withSinkState(status: Status, state: SinkState): Status {
  const all = status.sinks ?? [];
  const key = stateKey(state);
  const isKnown = all.some((one) => stateKey(one) === key);
  return {
    ...status,
    sinks: isKnown ? all.map((one) => (stateKey(one) === key ? state : one)) : [...all, state],
  };
}

/**
 * Returns the status with condition Ready as the rest of it asks for.
 * @param fault what keeps the list from being told at all
 * @param at RFC 3339
 */
export function withReady(status: Status, at: string, fault?: string): Status {
  return { ...status, conditions: withCondition(status.conditions ?? [], readyOf(status, fault), at) };
}

function readyOf({ sinks = [], unknown = [] }: Status, fault: string | undefined): Condition {
  const failing = sinks.flatMap(({ name, at, error }) =>
    error === undefined ? [] : `${name} (${at}): ${error}`,
  );
  const [reason, message] =
    fault !== undefined
      ? ["NoDestination", `${fault}; the list stays as it was`]
      : failing.length > 0
        ? ["SinkFails", failing.join("; ")]
        : unknown.length > 0
          ? ["Unknown", unknown.join("; ")]
          : ["Current", "every sink takes the list"];
  return {
    type: "Ready",
    status: reason === "Current" ? "True" : "False",
    reason,
    message: message.slice(0, 1024),
  };
}
