// What becomes of another network's settings, one entry for each.
import type { Draft, KubeObject } from "../../api/object.ts";
import type { Position } from "../../base/problem.ts";

/** Where a setting was written, and in which object: `DaemonSet/kube-system/calico-node`. */
export interface Origin extends Position {
  readonly object: string;
}

/** A setting as it was read, or (`usual`) as calico-node has it where nobody sets it. */
export interface Setting {
  readonly name: string;
  /** null: it comes from somewhere that is not in the manifests. */
  readonly value: string | null;
  readonly from: Origin;
  readonly usual?: true;
}

export type Verdict = "same" | "changed" | "default" | "unneeded" | "no-equivalent" | "refused";

export interface Became {
  /** `IPPool/default-ipv4-ippool` */
  readonly object: string;
  /** `spec.cidr` */
  readonly path: string;
  readonly value: unknown;
}

export interface ImportedSetting extends Omit<Setting, "usual"> {
  readonly became: Became | null;
  readonly verdict: Verdict;
  readonly why: string;
}

export interface ImportFinding {
  readonly code: string;
  readonly message: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

export interface Imported {
  readonly settings: readonly ImportedSetting[];
  /** What `trunkline apply` takes. */
  readonly objects: readonly Draft<KubeObject>[];
  readonly findings: readonly ImportFinding[];
}

/** The objects that settings go to. */
export type Target = "pool4" | "pool6" | "bgp" | "routing";

/** What a setting means here. */
export type Outcome =
  | {
      readonly to: Target;
      readonly path: string;
      readonly value: unknown;
      readonly why: string;
    }
  | { readonly verdict: "unneeded" | "no-equivalent" | "refused"; readonly why: string };

/** Returns the value that calico-node would have of a variable, its default included; undefined if it has none. */
export type Effective = (name: string) => string | undefined;

/** Says what a value of a setting becomes. */
export type Rule = (value: string, effective: Effective) => Outcome;
