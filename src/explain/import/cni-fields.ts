// What the fields of Calico's CNI configuration become.
import type { Rule } from "./types.ts";

const unneeded =
  (why: string): Rule =>
  () => ({ verdict: "unneeded", why });
const only =
  (right: RegExp, why: string, otherwise: string): Rule =>
  (value) =>
    right.test(value) ? { verdict: "unneeded", why } : { verdict: "no-equivalent", why: otherwise };

const installer = unneeded("`trunkline install-cni` writes its own configuration");
const agent = unneeded("the plugin asks the node's agent, and needs no access to a cluster");
const logging = unneeded("the plugin's errors go to the container runtime, the agent's log has the rest");

/** By the field's place within its plugin; the first that matches counts. */
const calico: readonly (readonly [RegExp, Rule])[] = [
  [/^type$/, unneeded("the plugin is trunkline")],
  [
    /^mtu$/,
    (value) => ({
      to: "routing",
      path: "spec.mtu.pod",
      value: /^\d+$/.test(value) ? Number(value) : value,
      why: "MTU of pods' links, in bytes; 0: found by itself",
    }),
  ],
  [/^log_/, logging],
  [/^(etcd_|kubernetes\.|k8s_|datastore_type$|calico_api_group$|qps$|burst$)/, agent],
  [/^(nodename|nodename_file|nodename_file_optional|hostname)$/, agent],
  [/^policy\.type$/, only(/^k8s$/, "NetworkPolicies are always in force", "policies cannot be left out")],
  [
    /^ipam\.type$/,
    only(/^calico-ipam$/, "addresses come from pools here, too", "addresses come from pools alone"),
  ],
  [
    /^ipam\.assign_ipv4$/,
    only(/^true$/, "pods have IPv4 where there is a pool of it", "the pools there are say so"),
  ],
  [/^ipam\.assign_ipv6$/, unneeded("pods have IPv6 where there is a pool of it")],
  [
    /^(container_settings\.allow_ip_forwarding|feature_control\.\w+)$/,
    only(/^false$/, "it is off", "pods may not have it"),
  ],
  [
    /^include_default_routes$/,
    only(/^true$/, "pods have a default route", "pods always have a default route"),
  ],
  [
    /^(require_mtu_file|num_queues|ipam_lock_file|device_type)$/,
    unneeded("the agent makes links its own way"),
  ],
  [/^policy_setup_timeout_seconds$/, unneeded("a pod starts when its policies are in force")],
];

const chained: readonly (readonly [RegExp, Rule])[] = [
  [/^(type|snat|capabilities\..+)$/, unneeded("portmap and bandwidth are chained where they are installed")],
];

/**
 * Returns what a field becomes.
 * @param path of the configuration, such as `plugins[0].ipam.type`
 * @param plugin the plugin's `type`; undefined for a field outside of all plugins
 */
export function cniField(path: string, plugin: string | undefined): Rule | undefined {
  const within = path.replace(/^plugins\[\d+\]\.?/, "");
  if (plugin === undefined || plugin === "calico") {
    if (within === path && /^(name|cniVersion)$/.test(path)) return installer;
    return calico.find(([pattern]) => pattern.test(within))?.[1];
  }
  if (plugin !== "portmap" && plugin !== "bandwidth") return undefined;
  return chained.find(([pattern]) => pattern.test(within))?.[1];
}
