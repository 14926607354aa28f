// Versions of the CNI specification: which ones we speak, and how they compare.
import { type CniFailure, failure, failureCode, type Verb } from "./spec.ts";

export const supportedVersions = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type CniVersion = (typeof supportedVersions)[number];
export const newestVersion: CniVersion = "1.1.0";

/** The version that a configuration without `cniVersion` is written in, by the specification. */
const unstatedVersion = "0.1.0";

/** Returns whether `version` is `least` or later; both are `major.minor.patch`. */
export function atLeast(version: string, least: string): boolean {
  const left = version.split(".").map(Number);
  const right = least.split(".").map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Returns the version to answer in, or why `verb` cannot be answered in it. */
export function negotiate(cniVersion: string | undefined, verb: Verb): CniVersion | CniFailure {
  const stated = cniVersion === undefined || cniVersion === "" ? unstatedVersion : cniVersion;
  if (!/^\d+\.\d+\.\d+$/.test(stated))
    return failure(failureCode.decoding, `cniVersion '${stated}' is not of the form major.minor.patch`);
  const since = {
    ADD: "0.1.0",
    DEL: "0.1.0",
    CHECK: "0.4.0",
    GC: "1.1.0",
    STATUS: "1.1.0",
    VERSION: "0.1.0",
  }[verb];
  if (!atLeast(stated, since))
    return failure(
      failureCode.incompatibleVersion,
      `config version does not allow ${verb}`,
      `${verb} is defined from ${since} on, the configuration says ${stated}`,
    );
  const known = supportedVersions.find((version) => version === stated);
  if (known !== undefined) return known;
  return failure(
    failureCode.incompatibleVersion,
    "incompatible CNI versions",
    `config is "${stated}", plugin supports ${JSON.stringify(supportedVersions)}`,
  );
}

/** What VERSION prints. */
export function versionReply(): { cniVersion: string; supportedVersions: readonly string[] } {
  return { cniVersion: newestVersion, supportedVersions };
}
