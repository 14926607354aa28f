// Settings of Calico's installation into objects of ours: what each becomes, and why one does not.

import { type IPPool, ipPoolKind } from "../../api/kinds/ip-pool.ts";
import { bgpConfigurationKind } from "../../api/kinds/routing/bgp.ts";
import { routingConfigurationKind } from "../../api/kinds/routing/routing-configuration.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { checkPoolChange, checkPools, type Surroundings } from "../../api/pools.ts";
import { validate } from "../../api/validation/validate.ts";
import { cidrContains, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import { parsePath } from "../../base/problem.ts";
import { cniField } from "./cni-fields.ts";
import type { Found } from "./read.ts";
import type {
  Effective,
  Imported,
  ImportedSetting,
  ImportFinding,
  Outcome,
  Rule,
  Setting,
  Target,
} from "./types.ts";
import { usualSettings } from "./usual.ts";
import { configKeys, truth, variables } from "./variables.ts";

const targets: Readonly<Record<Target, { readonly kind: Kind; readonly name: string }>> = {
  pool4: { kind: ipPoolKind, name: "default-ipv4-ippool" },
  pool6: { kind: ipPoolKind, name: "default-ipv6-ippool" },
  bgp: { kind: bgpConfigurationKind, name: "default" },
  routing: { kind: routingConfigurationKind, name: "default" },
};

/** How the reason of a pool's other settings begins; the one at fault is told of. */
const POOL_REFUSED = "its pool is refused";

interface Judged {
  readonly setting: Setting;
  outcome: Outcome;
}

/** Translates what was found, among what exists already. Pure. */
export function importSettings(found: Found, around: Surroundings): Imported {
  const set = new Map(found.variables.map(({ name, value }) => [name, value ?? undefined]));
  const given: Effective = (name) => set.get(name);
  const defaults = found.node ? usualSettings(given) : new Map<string, string>();
  const effective: Effective = (name) => set.get(name) ?? defaults.get(name);
  const usual = [...defaults].filter(([name]) => !set.has(name));
  // Of settings for one field the first counts: what calico-node is given, then what that was taken from.
  const all: Judged[] = [
    ...found.variables.map((setting) => judged(setting, variables.get(setting.name), effective)),
    ...found.fields.map(({ plugin, ...field }) => {
      const setting = { ...field, name: `cni_network_config.${field.name}` };
      return judged(setting, cniField(field.name, plugin), effective);
    }),
    ...found.keys.map((setting) => judged(setting, configKeys.get(setting.name), effective)),
    ...usual.flatMap(([name, value]) =>
      found.node
        ? [judged({ name, value, from: found.node, usual: true }, variables.get(name), effective)]
        : [],
    ),
  ];
  const noPools = truth(effective("NO_DEFAULT_POOLS") ?? "") === true;
  refuseInvalid(all);
  for (const one of all) withoutPool(one, all, noPools);
  refuseUnfit(all, around);
  return {
    settings: all.map((one) => entryOf(one, all)),
    objects: (Object.keys(targets) as Target[]).flatMap((target) => objectOf(target, all) ?? []),
    findings: findingsOf(found, all, effective),
  };
}

function judged(setting: Setting, rule: Rule | undefined, effective: Effective): Judged {
  if (rule && setting.value !== null) return { setting, outcome: rule(setting.value, effective) };
  const outcome = rule?.("", effective);
  // Some are not needed whatever they say.
  if (outcome && !("to" in outcome) && outcome.verdict === "unneeded") return { setting, outcome };
  const why =
    setting.value === null
      ? "its value comes from an object that is not among the manifests"
      : "it is not a setting that Trunkline knows";
  return { setting, outcome: { verdict: "no-equivalent", why } };
}

function isPool(target: Target): boolean {
  return target === "pool4" || target === "pool6";
}

/** A setting of a pool that nobody makes. */
function withoutPool(one: Judged, all: readonly Judged[], noPools: boolean): void {
  if (!("to" in one.outcome) || !isPool(one.outcome.to)) return;
  const { to } = one.outcome;
  if (noPools) one.outcome = { verdict: "unneeded", why: "NO_DEFAULT_POOLS: no pool is made" };
  else if (!all.some(({ outcome }) => "to" in outcome && outcome.to === to && outcome.path === "spec.cidr"))
    one.outcome = { verdict: "unneeded", why: "there is no range for its pool, so none is made" };
}

/** The object that the settings make; undefined if none goes there. */
function objectOf(target: Target, all: readonly Judged[]): Draft<KubeObject> | undefined {
  const { kind, name } = targets[target];
  const values = new Map<string, unknown>();
  for (const { outcome } of all)
    if ("to" in outcome && outcome.to === target && !values.has(outcome.path))
      values.set(outcome.path, outcome.value);
  if (values.size === 0) return undefined;
  const object = { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name }, spec: {} };
  for (const [path, value] of values) put(object, parsePath(path) as string[], value);
  return object;
}

function put(object: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [step = "", ...rest] = path;
  if (rest.length === 0) object[step] = value;
  else {
    const inner = (object[step] ?? {}) as Record<string, unknown>;
    object[step] = inner;
    put(inner, rest, value);
  }
}

/** What `apply` would refuse, it refuses for the field of a setting. */
function refuseInvalid(all: readonly Judged[]): void {
  for (const { setting, outcome } of all) {
    const digit = /^CALICO_IPV([46])POOL_/.exec(setting.name)?.[1];
    if (digit === undefined || "to" in outcome || outcome.verdict === "unneeded") continue;
    refuse(all, digit === "4" ? "pool4" : "pool6", "", `${setting.name}: ${outcome.why}`);
  }
  for (const target of Object.keys(targets) as Target[]) {
    const object = objectOf(target, all);
    if (!object) continue;
    for (const { path = "", message } of validate(targets[target].kind, object).errors)
      refuse(all, target, path, message);
  }
}

/** Half a pool is none: what blocks it would have, or where its packets went, cannot be mended later. */
function refuse(all: readonly Judged[], target: Target, path: string, why: string): void {
  for (const one of all) {
    if (!("to" in one.outcome) || one.outcome.to !== target) continue;
    if (one.outcome.path === path || path.startsWith(`${one.outcome.path}[`))
      one.outcome = { verdict: "refused", why };
    else if (isPool(target)) one.outcome = { verdict: "refused", why: `${POOL_REFUSED}: ${why}` };
  }
}

function refuseUnfit(all: readonly Judged[], around: Surroundings): void {
  for (const target of ["pool4", "pool6"] as const) {
    const pool = objectOf(target, all) as unknown as IPPool | undefined;
    if (!pool) continue;
    const before = [...around.pools].find(({ metadata }) => metadata.name === pool.metadata.name);
    const problems = [
      ...(before ? checkPoolChange(before, pool) : []),
      ...checkPools([pool], around).filter(({ severity }) => severity === "error"),
    ];
    for (const { path, message } of problems) refuse(all, target, path.join("."), message);
  }
}

function entryOf({ setting, outcome }: Judged, all: readonly Judged[]): ImportedSetting {
  const { usual, ...rest } = setting;
  if (!("to" in outcome)) return { ...rest, became: null, ...outcome };
  const { to, path, value, why } = outcome;
  const { kind, name } = targets[to];
  const first = all.find((one) => "to" in one.outcome && one.outcome.to === to && one.outcome.path === path);
  const counts = first && "to" in first.outcome ? first.outcome.value : value;
  const overruled = JSON.stringify(counts) !== JSON.stringify(value);
  return {
    ...rest,
    became: { object: `${kind.kind}/${name}`, path, value: counts },
    verdict: overruled ? "changed" : usual ? "default" : "same",
    why: overruled ? `${first?.setting.name} says otherwise, and counts` : why,
  };
}

/** What no setting says, and whoever applies the objects should know. */
function findingsOf(found: Found, all: readonly Judged[], effective: Effective): ImportFinding[] {
  const findings: ImportFinding[] = all.flatMap(({ setting, outcome }) => {
    if ("to" in outcome || outcome.verdict === "unneeded" || outcome.why.startsWith(POOL_REFUSED)) return [];
    const { file, line, column } = setting.from;
    const message = `${setting.name}: ${outcome.why}`;
    return [{ code: `import.${outcome.verdict}`, message, file, line, column }];
  });
  const node = found.node;
  if (node && effective("FELIX_DEFAULTENDPOINTTOHOSTACTION") === undefined)
    findings.push({
      code: "import.host-open",
      message:
        "FELIX_DEFAULTENDPOINTTOHOSTACTION is not set: Calico drops what pods send to their own node; " +
        "here only policies do",
      file: node.file,
      line: node.line,
      column: node.column,
    });
  const range = tryParseCidr(effective("CALICO_IPV4POOL_CIDR") ?? "");
  for (const { name, value, from } of found.keys)
    for (const [text] of name === "etcd_endpoints" ? (value ?? "").matchAll(/\d+(\.\d+){3}/g) : []) {
      const address = tryParseIp(text);
      if (!range || !address || !cidrContains(range, address)) continue;
      const message = `etcd's address ${text} is in the pool's range ${effective("CALICO_IPV4POOL_CIDR")}`;
      const { file, line, column } = from;
      findings.push({ code: "import.address-in-pool", message, file, line, column });
    }
  return findings;
}
