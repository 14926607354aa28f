// A node's network configuration: ConfigMap kube-system/eni-config, with the one that the node's label names laid over it
// by JSON Merge Patch (RFC 7396). What is wrong stops this node's pods and nobody else's: nothing falls back in silence.
import { createHash } from "node:crypto";
import type { ConfigMap, Node } from "../../api/kinds/core.ts";
import type { NodeConfigFinding } from "../../api/kinds/node-config.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { mostSecurityGroups } from "../../api/pod-networking.ts";
import { type JsonText, readJsonText, type TextPlace } from "../../base/json-text.ts";
import { formatPath, type Path } from "../../base/problem.ts";
import { editDistance } from "../../base/suggest.ts";
import { configKeys } from "./config-keys.ts";

export const baseConfigKey = "kube-system/eni-config";
/** Names the ConfigMap that is laid over the base. */
export const overlayLabel = "terway-config";
export const zoneLabel = "topology.kubernetes.io/zone";
const settingsKey = "eni_conf";
/** An unknown key of the base that is this near to a known one is taken for a misspelling. */
const misspelt = 2;

export type NodeConfigReason =
  | "ConfigMissing"
  | "OverlayMissing"
  | "OverlayKeyMissing"
  | "InvalidJSON"
  | "UnknownKey"
  | "InvalidValue"
  | "NoVSwitchForZone"
  | "VSwitchNotFound";

/** Where a text came from. */
export interface ConfigSource {
  readonly configMap: string;
  readonly resourceVersion: string;
}

/** What a node does by its configuration. */
export interface NodeSettings {
  /** Idle addresses that a node keeps at most, and at least. */
  readonly maxPoolSize: number;
  readonly minPoolSize: number;
  /** Interfaces that it may have for pods; undefined: as many as the machine takes. */
  readonly maxInterfaces?: number;
  /** Which vSwitch of the zone is taken first; "ordered", as the list has them, unless something else is said. */
  readonly selection: "ordered" | "random" | "most";
  readonly tags: Readonly<Record<string, string>>;
  readonly trunking: boolean;
}

export type NodeConfigResult =
  /** There is neither a configuration nor a subnet: addresses come from pools. */
  | { readonly state: "none" }
  | {
      readonly state: "error";
      readonly reason: NodeConfigReason;
      /** Names ConfigMap, path, line and column of everything that is wrong. */
      readonly message: string;
      readonly sources: readonly ConfigSource[];
      readonly zone?: string;
    }
  | {
      readonly state: "applied";
      readonly sources: readonly ConfigSource[];
      readonly hash: string;
      /** Merged, secrets masked. */
      readonly config: Readonly<Record<string, unknown>>;
      readonly zone?: string;
      /** Empty: the configuration names no vSwitch for anybody, and addresses come from pools. */
      readonly vSwitchIDs: readonly string[];
      readonly securityGroupIDs: readonly string[];
      readonly settings: NodeSettings;
      readonly findings: readonly NodeConfigFinding[];
    };

export interface NodeConfigFacts {
  /** By `namespace/name`. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  readonly subnets: ReadonlyMap<string, Subnet>;
}

interface Layer {
  readonly name: string;
  readonly role: "base" | "overlay";
  readonly text: JsonText;
}

interface Fault {
  readonly reason: NodeConfigReason;
  readonly message: string;
}

/** Returns the configuration that is in force on a node, or what is wrong with it. */
export function planNodeConfig(facts: NodeConfigFacts, node: Node): NodeConfigResult {
  const zone = node.metadata.labels?.[zoneLabel];
  const overlayName = node.metadata.labels?.[overlayLabel];
  const base = facts.configMaps.get(baseConfigKey);
  const overlayKey = overlayName === undefined ? undefined : `kube-system/${overlayName}`;
  const overlay = overlayKey === undefined ? undefined : facts.configMaps.get(overlayKey);
  if (base?.data?.[settingsKey] === undefined && overlayKey === undefined && facts.subnets.size === 0)
    return { state: "none" };
  const sources = [base, overlay].flatMap((map) => (map ? [sourceOf(map)] : []));
  const faults: Fault[] = [];
  const findings: NodeConfigFinding[] = [];
  const layers: Layer[] = [];
  const read = (map: ConfigMap | undefined, key: string, role: Layer["role"]) => {
    const layer = readLayer(map, key, role, faults, findings);
    if (layer) layers.push(layer);
  };
  read(base, baseConfigKey, "base");
  if (overlayKey !== undefined) read(overlay, overlayKey, "overlay");
  const merged = layers.reduce<unknown>((below, { text }) => mergePatch(below, text.value), {});
  const config = merged as Record<string, unknown>;
  const vSwitchIDs = faults.length > 0 ? [] : chooseVSwitches(config, zone, layers, facts.subnets, faults);
  const [first] = faults;
  const place = zone === undefined ? {} : { zone };
  if (first) {
    const message = faults.map((fault) => fault.message).join("; ");
    return { state: "error", reason: first.reason, message, sources, ...place };
  }
  findings.push(...addedGroups(layers));
  const securityGroupIDs = groupsOf(config);
  if (securityGroupIDs.length > mostSecurityGroups) {
    const at = placeIn(layers, ["security_groups"]);
    const why = `there are ${securityGroupIDs.length} security groups; an interface takes at most ${mostSecurityGroups}`;
    return { state: "error", reason: "InvalidValue", message: `${at}: ${why}`, sources, ...place };
  }
  return {
    state: "applied",
    sources,
    // Secrets count too: who changes one has changed the configuration.
    hash: hashOf([config, zone]),
    config: masked(config),
    ...place,
    vSwitchIDs,
    securityGroupIDs,
    settings: settingsOf(config),
    findings,
  };
}

function sourceOf(map: ConfigMap): ConfigSource {
  const { namespace, name, resourceVersion } = map.metadata;
  return { configMap: `${namespace}/${name}`, resourceVersion };
}

function readLayer(
  map: ConfigMap | undefined,
  key: string,
  role: Layer["role"],
  faults: Fault[],
  findings: NodeConfigFinding[],
): Layer | undefined {
  const text = map?.data?.[settingsKey];
  if (text === undefined) {
    faults.push(missing(map, key, role));
    return undefined;
  }
  if (role === "overlay" && text.trim() === "") {
    const message = `${settingsKey} is empty: the base stays as it is`;
    findings.push({ code: "EmptyOverlay", path: "", source: key, line: 1, column: 1, message });
    return undefined;
  }
  const reading = readJsonText(text);
  if ("why" in reading) {
    faults.push({ reason: "InvalidJSON", message: `${placeText(key, reading)}: ${reading.why}` });
    return undefined;
  }
  const { value } = reading;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const place = placeText(key, { line: 1, column: 1 });
    faults.push({ reason: "InvalidJSON", message: `${place}: ${settingsKey} must be an object, { … }` });
    return undefined;
  }
  const layer = { name: key, role, text: reading };
  checkKeys(layer, value as Record<string, unknown>, faults, findings);
  return layer;
}

function missing(map: ConfigMap | undefined, key: string, role: Layer["role"]): Fault {
  if (role === "base") {
    const what = map ? `ConfigMap ${key} has no ${settingsKey}` : `there is no ConfigMap ${key}`;
    return { reason: "ConfigMissing", message: `${what}: apply one with vswitches for this node's zone` };
  }
  const label = `the node's label ${overlayLabel} names it`;
  return map
    ? { reason: "OverlayKeyMissing", message: `ConfigMap ${key} has no ${settingsKey}, and ${label}` }
    : { reason: "OverlayMissing", message: `there is no ConfigMap ${key}, and ${label}` };
}

function checkKeys(
  { name, role, text }: Layer,
  value: Record<string, unknown>,
  faults: Fault[],
  findings: NodeConfigFinding[],
): void {
  for (const [key, one] of Object.entries(value)) {
    const place = text.at([key]) ?? { line: 1, column: 1 };
    const path = formatPath([key]);
    const known = Object.hasOwn(configKeys, key) ? configKeys[key] : undefined;
    if (!known) {
      const meant = nearestKey(key);
      const guess = meant === undefined ? "" : `; did you mean ${meant}?`;
      if (role === "overlay" || meant !== undefined)
        faults.push({
          reason: "UnknownKey",
          message: `${placeText(name, place, path)}: there is no such key${guess}`,
        });
      else
        findings.push({
          code: "UnknownKey",
          path,
          source: name,
          ...place,
          message: `${path} is not known here, and has no effect`,
        });
      continue;
    }
    // In a patch null takes away, and in the base it is nothing.
    if (one === null) continue;
    const bad = known.check(mergePatch({}, one), [key]);
    for (const fault of bad) {
      const at = text.at(fault.path) ?? place;
      const message = `${placeText(name, at, formatPath(fault.path))}: ${fault.message}`;
      faults.push({ reason: "InvalidValue", message });
    }
    if (!known.used && bad.length === 0)
      findings.push({
        code: "UnusedKey",
        path,
        source: name,
        ...place,
        message: `${path} is a setting of Terway's that Trunkline has no use for`,
      });
  }
}

/** Returns the known key that somebody has probably meant. */
function nearestKey(key: string): string | undefined {
  let best: string | undefined;
  let least = misspelt + 1;
  for (const known of Object.keys(configKeys)) {
    const distance = editDistance(key.toLowerCase(), known);
    if (distance < least) [best, least] = [known, distance];
  }
  return best;
}

/** RFC 7396, section 2. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const out = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) out.delete(key);
    else out.set(key, mergePatch(out.get(key), value));
  }
  return Object.fromEntries(out);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function chooseVSwitches(
  config: Record<string, unknown>,
  zone: string | undefined,
  layers: readonly Layer[],
  subnets: ReadonlyMap<string, Subnet>,
  faults: Fault[],
): readonly string[] {
  const zones = (config["vswitches"] ?? {}) as Record<string, readonly string[]>;
  if (Object.keys(zones).length === 0) return [];
  const ids = zone === undefined ? [] : ((Object.hasOwn(zones, zone) ? zones[zone] : undefined) ?? []);
  if (ids.length === 0) {
    const named = Object.keys(zones).filter((one) => (zones[one]?.length ?? 0) > 0);
    const why =
      zone === undefined
        ? `the node has no label ${zoneLabel}`
        : `there is no vSwitch for the node's zone ${zone}`;
    const message = `${placeIn(layers, ["vswitches"])}: ${why}; it names ${named.length > 0 ? named.join(", ") : "none for any zone"}`;
    faults.push({ reason: "NoVSwitchForZone", message });
    return [];
  }
  for (const [at, id] of ids.entries()) {
    const path = ["vswitches", zone ?? "", at];
    const subnet = subnets.get(id);
    if (!subnet || isGone(subnet))
      faults.push({
        reason: "VSwitchNotFound",
        message: `${placeIn(layers, path)}: the provider has no vSwitch ${id}`,
      });
    else if (subnet.spec.zone !== zone)
      faults.push({
        reason: "InvalidValue",
        message: `${placeIn(layers, path)}: vSwitch ${id} is in zone ${subnet.spec.zone}, not in ${zone}`,
      });
  }
  return ids;
}

/** Returns whether the provider no longer has a subnet that there is an object of. */
export function isGone(subnet: Subnet): boolean {
  return (
    subnet.status?.conditions?.some(({ type, status }) => type === "Found" && status === "False") ?? false
  );
}

/** An overlay that sets one key of the two does not take away what the base says by the other. */
function addedGroups(layers: readonly Layer[]): NodeConfigFinding[] {
  const [base, overlay] = [
    layers.find(({ role }) => role === "base"),
    layers.find(({ role }) => role === "overlay"),
  ];
  if (!base || !overlay) return [];
  const [below, above] = [base.text.value, overlay.text.value] as Record<string, unknown>[];
  const [one, many] = ["security_group", "security_groups"];
  return [
    [one, many],
    [many, one],
  ].flatMap(([mine = "", other = ""]): NodeConfigFinding[] => {
    const kept = below?.[other];
    const isSet = above?.[mine] !== undefined && above[mine] !== null;
    if (!isSet || Object.hasOwn(above ?? {}, other)) return [];
    if (kept === undefined || kept === null || kept === "" || (Array.isArray(kept) && kept.length === 0))
      return [];
    const place = overlay.text.at([mine]) ?? { line: 1, column: 1 };
    const message = `${mine} is added to ${other} of ${base.name}, not put in its place; "${other}": null takes that away`;
    return [{ code: "SecurityGroupAdded", path: mine, source: overlay.name, ...place, message }];
  });
}

function groupsOf(config: Record<string, unknown>): readonly string[] {
  const one = config["security_group"] as string | undefined;
  const many = (config["security_groups"] ?? []) as readonly string[];
  return [...new Set([...(one ? [one] : []), ...many])].toSorted();
}

function settingsOf(config: Record<string, unknown>): NodeSettings {
  const count = (key: string) => config[key] as number | undefined;
  const most = count("max_pool_size") ?? 5;
  const interfaces = count("max_eni") ?? 0;
  const policy = config["vswitch_selection_policy"];
  return {
    maxPoolSize: most,
    minPoolSize: Math.min(count("min_pool_size") ?? 0, most),
    ...(interfaces > 0 && { maxInterfaces: interfaces }),
    selection: policy === "random" || policy === "most" ? policy : "ordered",
    tags: (config["eni_tags"] ?? {}) as Readonly<Record<string, string>>,
    trunking: config["enable_eni_trunking"] === true,
  };
}

const mask = "***";

function masked(config: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, configKeys[key]?.secret ? mask : value]),
  );
}

function hashOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, 16);
}

/** Returns JSON with sorted keys: equal configurations give equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Returns where a value of the merged configuration is written. */
function placeIn(layers: readonly Layer[], path: Path): string {
  for (const { name, text } of layers.toReversed()) {
    const place = text.at(path);
    if (place) return placeText(name, place, formatPath(path));
  }
  return placeText(layers[0]?.name ?? baseConfigKey, { line: 1, column: 1 }, formatPath(path));
}

function placeText(configMap: string, { line, column }: TextPlace, path = ""): string {
  return `ConfigMap ${configMap}, ${settingsKey} line ${line}, column ${column}${path === "" ? "" : ` (${path})`}`;
}
