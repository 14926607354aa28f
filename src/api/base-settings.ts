// What the whole cluster takes from the base of eni-config, whatever nodes lay over it.

import { readJsonText } from "../base/json-text.ts";
import type { ConfigMap } from "./kinds/core.ts";

export const baseConfigName = "eni-config";
export const baseConfigNamespace = "kube-system";

export interface BaseSettings {
  /** Of all zones, sorted. */
  readonly vSwitchIDs: readonly string[];
  /** The union of `security_group` and `security_groups`, sorted. */
  readonly securityGroupIDs: readonly string[];
  /** Kinds whose pods come back under their name, besides StatefulSet. */
  readonly furtherKinds: readonly string[];
}

/** Reads them; what cannot be read has none: the nodes say what is wrong with it. */
export function baseSettings(configMap: Pick<ConfigMap, "data"> | undefined): BaseSettings {
  const reading = readJsonText(configMap?.data?.["eni_conf"] ?? "");
  const value = "why" in reading ? undefined : reading.value;
  const config = (typeof value === "object" && value !== null ? value : {}) as Readonly<
    Record<string, unknown>
  >;
  const vSwitches = config["vswitches"];
  const all = typeof vSwitches === "object" && vSwitches !== null ? Object.values(vSwitches).flat() : [];
  return {
    vSwitchIDs: texts(all),
    securityGroupIDs: texts([config["security_group"], config["security_groups"]].flat()),
    furtherKinds: texts([config["custom_stateful_workload_kinds"]].flat()),
  };
}

function texts(values: readonly unknown[]): readonly string[] {
  return [
    ...new Set(values.filter((one): one is string => typeof one === "string" && one !== "")),
  ].toSorted();
}
