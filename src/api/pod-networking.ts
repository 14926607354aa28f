// What Terway's documentation says a PodNetworking may be, and what it leaves to chance: checked on create and on update.
import { parseGoDuration } from "../base/go-duration.ts";
import type { Path } from "../base/problem.ts";
import type { AllocationType, PodNetworking } from "./kinds/pod-networking.ts";

export interface PodNetworkingFinding {
  readonly severity: "error" | "warning";
  readonly code: string;
  readonly path: Path;
  /** Says something of the field that `path` ends in: "must be …". */
  readonly message: string;
  readonly hint?: string;
}

type Spec = PodNetworking["spec"];

/** A network interface of the cloud takes no more. */
export const mostSecurityGroups = 10;

/** Five minutes: the least `releaseAfter` that Terway documents, in milliseconds. */
export const usualMinReleaseAfterMs = 300_000;

/** Returns what is wrong with a specification by itself. @param minReleaseAfterMs the least `releaseAfter` */
export function checkPodNetworking(spec: Spec, minReleaseAfterMs: number): PodNetworkingFinding[] {
  return [...checkAllocation(spec.allocationType ?? {}, minReleaseAfterMs), ...checkGroups(spec)];
}

/** Returns what an update takes away that a PodNetworking cannot be without. */
export function checkPodNetworkingChange(before: Spec, after: Spec): PodNetworkingFinding[] {
  return (["vSwitchOptions", "securityGroupIDs"] as const)
    .filter((list) => (before[list] ?? []).length > 0 && (after[list] ?? []).length === 0)
    .map((list) => ({
      severity: "error",
      code: "podnetworking.emptied",
      path: ["spec", list],
      message: `cannot be emptied: pods of this network would have nowhere to go`,
      hint: "Delete the PodNetworking if no pod shall use it",
    }));
}

function checkAllocation(allocation: AllocationType, minReleaseAfterMs: number): PodNetworkingFinding[] {
  const { type = "Elastic", releaseStrategy, releaseAfter } = allocation;
  const at = (name: string): Path => ["spec", "allocationType", name];
  const error = (code: string, name: string, message: string, hint?: string): PodNetworkingFinding => ({
    severity: "error",
    code,
    path: at(name),
    message,
    ...(hint === undefined ? {} : { hint }),
  });
  const warning = (code: string, name: string, message: string): PodNetworkingFinding => ({
    severity: "warning",
    code,
    path: at(name),
    message,
  });
  const after = releaseAfter === undefined ? undefined : parseGoDuration(releaseAfter);
  if (releaseAfter !== undefined && (after === undefined || after < 0))
    return [
      error(
        "podnetworking.release-after",
        "releaseAfter",
        `must be a duration${after === undefined ? "" : " from 0 on"}; it is '${releaseAfter}'`,
        "Write it as Go does: 1h, 90m, 1h30m",
      ),
    ];
  const held = type === "Fixed" && releaseStrategy === "TTL";
  if (held && releaseAfter === undefined)
    return [
      error(
        "podnetworking.release-after",
        "releaseAfter",
        "is missing: TTL needs to know for how long an address is kept without its pod",
        "Add releaseAfter, such as 1h",
      ),
    ];
  if (held && (after ?? 0) < minReleaseAfterMs)
    return [
      error(
        "podnetworking.release-after",
        "releaseAfter",
        `is too short (${releaseAfter}): a pod that is rescheduled may be away for longer`,
        minReleaseAfterMs < 1000 ? "A time such as 1h" : `At least ${goDuration(minReleaseAfterMs)}`,
      ),
    ];
  const findings: PodNetworkingFinding[] = [];
  if (type === "Fixed" && releaseStrategy === undefined)
    findings.push(
      warning(
        "podnetworking.never",
        "releaseStrategy",
        "is missing, so Never is taken: addresses are kept until their PodENI is deleted",
      ),
    );
  if (releaseAfter !== undefined && !held)
    findings.push(
      warning(
        "podnetworking.no-effect",
        "releaseAfter",
        `has no effect beside ${type === "Elastic" ? "type Elastic" : "releaseStrategy Never"}`,
      ),
    );
  return findings;
}

function checkGroups({ securityGroupIDs = [] }: Spec): PodNetworkingFinding[] {
  if (securityGroupIDs.length <= mostSecurityGroups) return [];
  const message = `must have at most ${mostSecurityGroups} entries, as an interface takes no more; it has ${securityGroupIDs.length}`;
  return [{ severity: "error", code: "podnetworking.groups", path: ["spec", "securityGroupIDs"], message }];
}

/** Returns a duration as Go writes it: `5m0s`, `5s`. @param ms milliseconds, whole seconds */
export function goDuration(ms: number): string {
  const seconds = ms / 1000;
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}

/** Returns what a finding says as a sentence of its own. */
export function wordedFinding({ path, message }: PodNetworkingFinding): string {
  return `\`${path.at(-1)}\` ${message}`;
}
