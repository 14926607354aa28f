// The edits that keep flannel from masquerading, as unified diffs of what stands in the store.
import type { ConfigMap } from "../../../api/kinds/core.ts";
import type { DaemonSet } from "../../../api/kinds/workloads.ts";
import { asksForMasquerade, daemonSetMasquerades, setsMasquerade } from "./takeover.ts";

export interface Edit {
  /** Such as `ConfigMap/kube-system/kube-flannel-cfg`. */
  readonly object: string;
  readonly reason: string;
  /** Unified diff of the field, for people. */
  readonly diff: string;
  /** A JSON merge patch (RFC 7396), for kubectl patch --type merge. */
  readonly patch: Readonly<Record<string, unknown>>;
  /** The object as it should be. */
  readonly edited: ConfigMap | DaemonSet;
}

type Json = Record<string, unknown>;

/**
 * Returns `ipMasq: false` for the plugin and for what it delegates to. Both are needed: with --ip-masq gone from
 * flanneld, its plugin would otherwise tell the bridge plugin to masquerade by itself.
 * @returns undefined where nothing is to be done, or the text is no JSON
 */
export function configMapEdit(map: ConfigMap): Edit | undefined {
  const before = map.data?.["cni-conf.json"];
  if (before === undefined) return undefined;
  const conf = parseJson(before);
  if (!conf) return undefined;
  const plugins = Array.isArray(conf["plugins"]) ? (conf["plugins"] as unknown[]) : [conf];
  for (const plugin of plugins) {
    if (!isObject(plugin) || plugin["type"] !== "flannel") continue;
    plugin["ipMasq"] = false;
    plugin["delegate"] = { ...(isObject(plugin["delegate"]) ? plugin["delegate"] : {}), ipMasq: false };
  }
  const after = `${JSON.stringify(conf, undefined, 2)}${before.endsWith("\n") ? "\n" : ""}`;
  if (JSON.stringify(parseJson(before)) === JSON.stringify(conf)) return undefined;
  return {
    object: objectName(map),
    reason:
      "flannel's CNI plugin must not let new pods be masqueraded (ipMasq: false, for the plugin and its delegate)",
    diff: diffText(`${objectName(map)} data["cni-conf.json"]`, before, after),
    patch: { data: { "cni-conf.json": after } },
    edited: { ...map, data: { ...map.data, "cni-conf.json": after } },
  };
}

/** Returns the removal of --ip-masq, or undefined where the DaemonSet does not have it. */
export function daemonSetEdit(set: DaemonSet): Edit | undefined {
  if (!daemonSetMasquerades(set)) return undefined;
  const { containers } = set.spec.template.spec;
  const cleaned = containers.map((container) => {
    const raw = container as typeof container & {
      command?: string[];
      args?: string[];
      env?: { name: string; value?: string }[];
    };
    return {
      ...raw,
      ...(raw.command && { command: withoutFlag(raw.command) }),
      ...(raw.args && { args: withoutFlag(raw.args) }),
      ...(raw.env && { env: raw.env.filter((one) => !setsMasquerade(one)) }),
    };
  });
  const template = { ...set.spec.template, spec: { ...set.spec.template.spec, containers: cleaned } };
  const lines = (list: readonly object[]) => `${JSON.stringify(list, undefined, 2)}\n`;
  return {
    object: objectName(set),
    reason: "flanneld must not write masquerade rules (--ip-masq removed)",
    diff: diffText(`${objectName(set)} spec.template.spec.containers`, lines(containers), lines(cleaned)),
    patch: { spec: { template: { spec: { containers: cleaned } } } },
    edited: { ...set, spec: { ...set.spec, template } },
  };
}

/** The flag may be a word of its own or part of a shell line. */
function withoutFlag(list: readonly string[]): string[] {
  return list.flatMap((word) => {
    if (!asksForMasquerade(word)) return [word];
    const rest = word.replaceAll(/(^|\s)--?ip-masq(=\S*)?(?=\s|$)/gi, "").trim();
    return rest === "" ? [] : [rest];
  });
}

function objectName(object: ConfigMap | DaemonSet): string {
  const { namespace = "default", name } = object.metadata;
  return `${object.kind}/${namespace}/${name}`;
}

function parseJson(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch (error) {
    // A user's text that is no JSON cannot be edited by us; anything else is a mistake of ours.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A unified diff with all lines as context: these texts are short. */
export function diffText(name: string, before: string, after: string): string {
  const a = before.replace(/\n$/, "").split("\n");
  const b = after.replace(/\n$/, "").split("\n");
  // Longest common subsequence, by the textbook.
  const table = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  const at = (i: number, j: number) => table[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      (table[i] as number[])[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const out: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push(` ${a[i]}`);
      i++;
      j++;
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) out.push(`-${a[i++]}`);
    else out.push(`+${b[j++]}`);
  }
  const heading = `--- ${name}\n+++ ${name}\n@@ -1,${a.length} +1,${b.length} @@\n`;
  return `${heading}${out.join("\n")}\n`;
}
