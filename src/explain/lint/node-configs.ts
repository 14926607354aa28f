// What rules about subnets look at: the texts of eni-config and of what may be laid over it.
import type { ConfigMap } from "../../api/kinds/core.ts";
import { type JsonText, readJsonText } from "../../base/json-text.ts";
import type { Path, Position } from "../../base/problem.ts";
import type { LintView } from "./view.ts";
import type { Written } from "./written.ts";

export interface ConfigText {
  readonly on: Written<ConfigMap>;
  /** `kube-system/NAME` */
  readonly key: string;
  /** vSwitches by zone, as far as they can be read. */
  readonly zones: ReadonlyMap<string, readonly string[]>;
  /** Returns where a value of the text stands; undefined where that cannot be told. */
  readonly place: (path: Path) => Position | undefined;
}

const namespace = "kube-system";
const settingsKey = "eni_conf";
export const settingsPath: Path = ["data", settingsKey];

/** Yields every text that may be a node's configuration, or a part of one. */
export function* configTexts(view: LintView): Generator<ConfigText> {
  for (const item of view.written) {
    if (!isConfigMap(item) || item.object.metadata.namespace !== namespace) continue;
    const text = item.object.data?.[settingsKey];
    if (typeof text !== "string") continue;
    const reading = readJsonText(text);
    const json = "why" in reading ? undefined : reading;
    yield {
      on: item,
      key: `${namespace}/${item.object.metadata.name}`,
      zones: zonesOf(json?.value),
      place: (path) => placeOf(item, text, json, path),
    };
  }
}

function isConfigMap(item: Written): item is Written<ConfigMap> {
  return item.object.kind === "ConfigMap";
}

function zonesOf(value: unknown): ReadonlyMap<string, readonly string[]> {
  const zones = (value as { vswitches?: unknown } | null | undefined)?.vswitches;
  if (typeof zones !== "object" || zones === null) return new Map();
  return new Map(
    Object.entries(zones).map(([zone, ids]) => [
      zone,
      Array.isArray(ids) ? ids.filter((id): id is string => typeof id === "string") : [],
    ]),
  );
}

function placeOf(on: Written, text: string, json: JsonText | undefined, path: Path): Position | undefined {
  const start = on.at(settingsPath);
  const inside = json?.at(path);
  // A text of several lines is a block that begins on the line after its key.
  if (!start || !inside || !text.includes("\n")) return undefined;
  return { file: start.file, line: start.line + inside.line, column: 1 };
}
