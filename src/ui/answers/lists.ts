// AddressLists: what is in them, who needs it, and what each place has taken; and their text for other programs.
import { type AddressList, sinkTypes } from "../../api/kinds/address-list.ts";
import { TrunklineError } from "../../base/errors.ts";
import { type ListForm, listForms, listText } from "../../explain/allowlist/formats.ts";
import type { ListState, ListsAnswer, ListText } from "../api.ts";
import type { Sources } from "../sources.ts";
import { optional } from "./query.ts";

const forms = ["text", ...listForms];

/** Returns all lists; with a name behind it, that one's text in a form. @throws TrunklineError `ui.not-found`, `ui.value` */
export async function listsAnswer(
  sources: Sources,
  query: URLSearchParams,
  [name]: readonly string[],
): Promise<ListsAnswer | ListText> {
  const lists = await sources.lists();
  if (name === undefined)
    return {
      lists: lists.map(stateOf).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      forms,
    };
  const list = lists.find(({ metadata }) => metadata.name === name);
  if (!list) throw new TrunklineError("ui.not-found", { what: "AddressList", name });
  const form = optional(query, "form") ?? "text";
  if (!forms.includes(form))
    throw new TrunklineError("ui.value", { name: "form", value: form, why: `known: ${forms.join(", ")}` });
  const ranges = list.status?.ranges ?? [];
  return {
    text: form === "text" ? ranges.map((range) => `${range}\n`).join("") : textOf(list, form as ListForm),
  };
}

function textOf({ metadata, spec, status }: AddressList, form: ListForm): string {
  const ranges = status?.ranges ?? [];
  const sources = ranges.map((range) => ({ range, why: `AddressList ${metadata.name}` }));
  return listText({ to: spec.to, for: `AddressList ${metadata.name}`, ranges, sources }, form);
}

function stateOf({ metadata, spec, status }: AddressList): ListState {
  const ready = (status?.conditions ?? []).find(({ type }) => type === "Ready");
  const types = new Map(
    (spec.sinks ?? []).map((sink) => [
      sink.name,
      sinkTypes.find((type) => sink[type] !== undefined) ?? "unknown",
    ]),
  );
  return {
    name: metadata.name,
    to: spec.to,
    revision: status?.revision ?? 0,
    ranges: status?.ranges ?? [],
    entries: status?.entries ?? [],
    strangers: status?.strangers ?? [],
    unknown: status?.unknown ?? [],
    sinks: (status?.sinks ?? []).map((sink) => ({ ...sink, type: types.get(sink.name) ?? "unknown" })),
    ready: ready ? { status: ready.status, message: ready.message ?? "" } : null,
  };
}
