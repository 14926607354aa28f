// The keys of Terway's eni_conf, what each of them may be, and whether it means something here.
import { parseGoDuration } from "../../base/go-duration.ts";
import { tryParseCidr } from "../../base/ip.ts";
import type { Path } from "../../base/problem.ts";

/** Says what is wrong with a value: nothing, or one complaint a place. */
export type ValueCheck = (value: unknown, path: Path) => readonly ValueFault[];

export interface ValueFault {
  readonly path: Path;
  readonly message: string;
}

interface KnownKey {
  readonly check: ValueCheck;
  /** Trunkline does what it says. */
  readonly used: boolean;
  /** Never shown. */
  readonly secret?: boolean;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return JSON.stringify(value);
}

const must =
  (what: string, holds: (value: unknown) => boolean): ValueCheck =>
  (value, path) =>
    holds(value) ? [] : [{ path, message: `must be ${what}; it is ${kindOf(value)}` }];

const isText = (value: unknown): value is string => typeof value === "string";
const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
const text = must("a text", isText);
const someText = must("a text that is not empty", (value) => isText(value) && value !== "");
const flag = must("true or false", (value) => typeof value === "boolean");
const count = must("a whole number from 0 on", isCount);
const whole = must("a whole number", Number.isSafeInteger);
const number = must("a number", (value) => typeof value === "number");
const duration = must(
  'a duration such as "10m"',
  (value) => isText(value) && (parseGoDuration(value) ?? -1) >= 0,
);
const ratio = must(
  'a number in quotes, such as "0.1"',
  (value) => isText(value) && value !== "" && Number(value) >= 0,
);
const oneOf = (...words: string[]): ValueCheck =>
  must(
    `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    (value) => isText(value) && words.includes(value),
  );

const list =
  (item: ValueCheck): ValueCheck =>
  (value, path) =>
    Array.isArray(value)
      ? value.flatMap((one, at) => item(one, [...path, at]))
      : [{ path, message: `must be a list; it is ${kindOf(value)}` }];

const map =
  (item: ValueCheck): ValueCheck =>
  (value, path) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, one]) => item(one, [...path, key]))
      : [{ path, message: `must be an object; it is ${kindOf(value)}` }];

const ranges: ValueCheck = (value, path) => {
  if (!isText(value)) return text(value, path);
  const bad = value.split(",").find((part) => part.trim() !== "" && tryParseCidr(part.trim()) === undefined);
  return bad === undefined ? [] : [{ path, message: `'${bad.trim()}' is not a range such as 172.21.0.0/20` }];
};

const used = (check: ValueCheck): KnownKey => ({ check, used: true });
const idle = (check: ValueCheck): KnownKey => ({ check, used: false });

export const configKeys: Readonly<Record<string, KnownKey>> = {
  version: used(text),
  service_cidr: used(ranges),
  vswitches: used(map(list(someText))),
  security_group: used(text),
  security_groups: used(list(someText)),
  max_pool_size: used(count),
  min_pool_size: used(count),
  max_eni: used(count),
  vswitch_selection_policy: used(oneOf("", "ordered", "random", "most")),
  eni_tags: used(map(text)),
  enable_eni_trunking: used(flag),
  custom_stateful_workload_kinds: used(list(someText)),
  // A key of the ConfigMap in Terway; people write it here as well.
  disable_network_policy: used(
    must("true, false or a text", (value) => typeof value === "boolean" || isText(value)),
  ),
  access_key: { ...idle(text), secret: true },
  access_secret: { ...idle(text), secret: true },
  credential_path: idle(text),
  region_id: idle(text),
  resource_group_id: idle(text),
  eni_tag_filter: idle(map(text)),
  eni_tag_block_list: idle(list(map(text))),
  min_eni: idle(count),
  eni_cap_ratio: idle(number),
  eni_cap_shift: idle(whole),
  ip_warm_up_size: idle(count),
  idle_ip_reclaim_after: idle(duration),
  idle_ip_reclaim_interval: idle(duration),
  idle_ip_reclaim_batch_size: idle(count),
  idle_ip_reclaim_jitter_factor: idle(ratio),
  ip_pool_sync_period: idle(duration),
  eni_selection_policy: idle(oneOf("", "most_ips", "least_ips")),
  ip_stack: idle(oneOf("", "ipv4", "dual", "ipv6")),
  enable_erdma: idle(flag),
  ipam_type: idle(oneOf("", "crd", "preferCRD")),
  extra_routes: idle(list(map(text))),
  disable_device_plugin: idle(flag),
  backoff_override: idle(map(must("an object", (value) => typeof value === "object" && value !== null))),
  rate_limit: idle(map(count)),
  kube_client_qps: idle(number),
  kube_client_burst: idle(count),
  enable_patch_pod_ips: idle(flag),
  enable_ip_prefix: idle(flag),
  ipv4_prefix_count: idle(count),
  ipv6_prefix_count: idle(count),
  prefix: idle(text),
};
