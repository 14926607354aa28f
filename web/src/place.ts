// Where in the page somebody is: page and filters stand in the address bar, so that a view can be kept, sent, and gone back to.
import { useSyncExternalStore } from "preact/compat";

export const pageNames = ["map", "ask", "matrix", "addresses", "lists", "refused"] as const;
export type PageName = (typeof pageNames)[number];

export type Filters = Readonly<Record<string, string>>;

export interface Place {
  readonly page: PageName;
  readonly filters: Filters;
}

/** Returns the place that an address's query means. */
export function placeOf(search: string): Place {
  const words = new URLSearchParams(search);
  const page = pageNames.find((name) => name === words.get("page")) ?? "map";
  words.delete("page");
  return { page, filters: Object.fromEntries(words) };
}

/** Returns the query of a place; filters that are empty are left out. */
export function searchOf({ page, filters }: Place): string {
  const words = new URLSearchParams({ page });
  for (const [name, value] of Object.entries(filters)) if (value !== "") words.set(name, value);
  return `?${words}`;
}

const moved = new EventTarget();

/** Goes to a place: as a step that can be gone back, or (`replace`) in place of the current one. */
export function go(place: Place, how: "step" | "replace" = "step"): void {
  const search = searchOf(place);
  if (search === location.search) return;
  if (how === "step") history.pushState(null, "", search);
  else history.replaceState(null, "", search);
  moved.dispatchEvent(new Event("move"));
}

function whenMoved(look: () => void): () => void {
  moved.addEventListener("move", look);
  addEventListener("popstate", look);
  return () => {
    moved.removeEventListener("move", look);
    removeEventListener("popstate", look);
  };
}

/**
 * Returns where we are, and draws again where that changes. An effect alone would listen only some time after its part was
 * drawn: who types and presses Enter before that went to an address whose answer was never shown.
 */
export function usePlace(): Place {
  return placeOf(useSyncExternalStore(whenMoved, () => location.search));
}

/** Returns a filter of the current page, and what sets it: while somebody types, the address is replaced. */
export function useFilter(name: string): [string, (value: string) => void] {
  const place = usePlace();
  const set = (value: string) => {
    const now = placeOf(location.search);
    go({ ...now, filters: { ...now.filters, [name]: value } }, "replace");
  };
  return [place.filters[name] ?? "", set];
}
