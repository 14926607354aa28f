// What admission says of manifests about pods' networks: PodNetworkings get what the base of eni-config has for them and are
// held against the cluster's least releaseAfter; several interfaces a pod are refused.

import { baseConfigName, baseConfigNamespace, baseSettings } from "../api/base-settings.ts";
import { type ConfigMap, configMapKind } from "../api/kinds/core.ts";
import type { PodNetworking } from "../api/kinds/pod-networking.ts";
import type { Draft, KubeObject } from "../api/object.ts";
import { checkPodNetworking, type PodNetworkingFinding } from "../api/pod-networking.ts";
import type { Path } from "../base/problem.ts";
import type { Store } from "./store.ts";

/** Returns the base of eni-config: the one that is written, or else the one that is there. @throws what the store throws */
export async function baseConfig(
  store: Store,
  written: readonly Draft<KubeObject>[],
): Promise<Pick<ConfigMap, "data"> | undefined> {
  const own = written.find(
    ({ kind, metadata }) =>
      kind === "ConfigMap" && metadata.name === baseConfigName && metadata.namespace === baseConfigNamespace,
  );
  return (
    (own as ConfigMap | undefined) ?? (await store.get(configMapKind, baseConfigName, baseConfigNamespace))
  );
}

/** Returns a new PodNetworking with the vSwitches and groups of eni-config where it names none. */
export function withBaseSettings<T extends Draft<KubeObject>>(
  draft: T,
  base: Pick<ConfigMap, "data"> | undefined,
): T {
  if (draft.kind !== "PodNetworking") return draft;
  const { spec } = draft as unknown as PodNetworking;
  const { vSwitchIDs, securityGroupIDs } = baseSettings(base);
  const isMissing = (list: readonly string[] | undefined) => (list ?? []).length === 0;
  return {
    ...draft,
    spec: {
      ...spec,
      ...(isMissing(spec.vSwitchOptions) && vSwitchIDs.length > 0 && { vSwitchOptions: vSwitchIDs }),
      ...(isMissing(spec.securityGroupIDs) && securityGroupIDs.length > 0 && { securityGroupIDs }),
    },
  };
}

/**
 * Returns what is wrong with a PodNetworking.
 * @param written as its manifest has it: what is only assumed is warned of
 * @param after as it would be stored
 * @param isUpdate only what is created takes lists from eni-config
 */
export function networkFindings(
  written: Draft<KubeObject>,
  after: Draft<KubeObject>,
  minReleaseAfterMs: number,
  isUpdate = false,
): readonly PodNetworkingFinding[] {
  if (after.kind !== "PodNetworking") return [];
  const { spec } = after as unknown as PodNetworking;
  const missing = (["vSwitchOptions", "securityGroupIDs"] as const)
    .filter((list) => (spec[list] ?? []).length === 0)
    .map((list): PodNetworkingFinding => {
      const key = list === "vSwitchOptions" ? "vswitches" : "security_group";
      const common = { severity: "error", code: "podnetworking.incomplete", path: ["spec", list] } as const;
      if (isUpdate)
        return {
          ...common,
          message: "must not become empty",
          hint: "Name at least one, or delete the object and make it anew",
        };
      return {
        ...common,
        message: `is missing, and eni-config has no ${key} to take instead`,
        hint: `Name at least one, or write ${key} into ConfigMap ${baseConfigNamespace}/${baseConfigName}`,
      };
    });
  const errors = checkPodNetworking(spec, minReleaseAfterMs).filter(({ severity }) => severity === "error");
  const own = (written as unknown as PodNetworking).spec;
  const warnings = checkPodNetworking(own, minReleaseAfterMs).filter(
    ({ severity }) => severity === "warning",
  );
  return [...missing, ...errors, ...warnings];
}

const several = ["k8s.aliyun.com/pod-networks", "k8s.aliyun.com/pod-networks-request"];

/** Returns the paths of annotations that ask for several interfaces, in a pod or the template of one. */
export function severalInterfaces(draft: Draft<KubeObject>): readonly Path[] {
  const at: Path[] = [];
  const look = (annotations: unknown, path: Path) => {
    for (const key of several)
      if (typeof annotations === "object" && annotations !== null && Object.hasOwn(annotations, key))
        at.push([...path, key]);
  };
  if (draft.kind === "Pod") look(draft.metadata.annotations, ["metadata", "annotations"]);
  const paths: readonly Path[] = [
    ["spec", "template", "metadata", "annotations"],
    ["spec", "jobTemplate", "spec", "template", "metadata", "annotations"],
  ];
  for (const path of paths) look(valueAt(draft, path), path);
  return at;
}

function valueAt(object: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    object,
  );
}
