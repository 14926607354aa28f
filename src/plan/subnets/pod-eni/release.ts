// When an address that is held without its pod is let go. When in doubt it is kept: an address that somebody else has by
// now cannot be had back.
import type { PodENI } from "../../../api/kinds/pod-eni.ts";
import { parseGoDuration } from "../../../base/go-duration.ts";

export type Release =
  /** Its pod's end ends it. */
  | { readonly what: "with-pod" }
  /** Only by hand. */
  | { readonly what: "never" }
  /** At that time, in milliseconds since 1970. */
  | { readonly what: "at"; readonly at: number }
  /** Nobody can tell: kept. */
  | { readonly what: "undecided"; readonly why: string };

/** Returns when a PodENI is to be let go that has no pod. */
export function releaseOf({ spec, status }: Pick<PodENI, "spec" | "status">): Release {
  const all = (spec.allocations ?? []).map(({ allocationType }) =>
    ofOne(allocationType, status?.podLastSeen),
  );
  // With several, whatever keeps one of them keeps all.
  const undecided = all.find(({ what }) => what === "undecided");
  const never = all.find(({ what }) => what === "never");
  const last = all.filter((one) => one.what === "at").toSorted((a, b) => b.at - a.at)[0];
  return undecided ?? never ?? last ?? { what: "with-pod" };
}

type Allocation = NonNullable<NonNullable<PodENI["spec"]["allocations"]>[number]["allocationType"]>;

function ofOne(allocation: Allocation | undefined, lastSeen: string | undefined): Release {
  const { type = "Elastic", releaseStrategy: strategy, releaseAfter } = allocation ?? {};
  const undecided = (why: string): Release => ({ what: "undecided", why });
  if (type === "Elastic") return { what: "with-pod" };
  if (type !== "Fixed")
    return undecided(`allocationType.type is '${type}', which is neither Elastic nor Fixed`);
  if (strategy === undefined || strategy === "Never") return { what: "never" };
  if (strategy !== "TTL")
    return undecided(`releaseStrategy is '${strategy}', which is neither TTL nor Never`);
  const after = releaseAfter === undefined ? undefined : parseGoDuration(releaseAfter);
  if (after === undefined || after < 0)
    return undecided(`releaseAfter is '${releaseAfter ?? ""}', which is no time to wait`);
  const seen = lastSeen === undefined ? Number.NaN : Date.parse(lastSeen);
  if (Number.isNaN(seen)) return undecided(`podLastSeen is '${lastSeen ?? ""}', so nobody knows since when`);
  return { what: "at", at: seen + after };
}
