// How a cluster's kube-proxies are set (KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1), where something tells:
// the ConfigMap that kubeadm and those who follow it make.
import { parse } from "yaml";
import { type Cidr, tryParseCidr } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";

export interface ProxySettings {
  /** undefined: its default, which is not the same in all versions. */
  readonly mode?: "iptables" | "nftables" | "ipvs";
  readonly masqueradeAll: boolean;
  /** By what it knows whether a packet is from a pod of its own cluster, or node. */
  readonly local:
    | { readonly by: "ClusterCIDR"; readonly cidrs: readonly Cidr[] }
    | { readonly by: "NodeCIDR" }
    | { readonly by: "BridgeInterface" }
    | { readonly by: "InterfaceNamePrefix"; readonly prefix: string };
  /** Ranges of nodes' addresses that node ports are on; none: a default, which is not the same in all modes. */
  readonly nodePortAddresses: readonly string[];
}

/** Where settings are looked for. */
export const proxyConfigMap = "kube-system/kube-proxy";

/** Returns how kube-proxies are set; a text: why that is not known. */
export function proxySettings({ configMaps }: Pick<ClusterFacts, "configMaps">): ProxySettings | string {
  const text = configMaps.get(proxyConfigMap)?.data?.["config.conf"];
  if (text === undefined)
    return `there is no ConfigMap ${proxyConfigMap} with a config.conf, as kubeadm makes it`;
  let raw: unknown;
  try {
    raw = parse(text);
  } catch {
    return `config.conf of ConfigMap ${proxyConfigMap} is not YAML`;
  }
  const config = asObject(raw);
  const { mode, clusterCIDR, detectLocalMode, nodePortAddresses } = config;
  const cidrs = textOf(clusterCIDR)
    .split(",")
    .filter((one) => one.trim() !== "")
    .map((one) => tryParseCidr(one.trim()));
  if (cidrs.some((one) => one === undefined))
    return `clusterCIDR of ConfigMap ${proxyConfigMap} holds no ranges`;
  const local = localBy(textOf(detectLocalMode), cidrs as Cidr[], asObject(config["detectLocal"]));
  if (typeof local === "string") return local;
  const isMasqueraded = [config["iptables"], config["nftables"], config["ipvs"], config["linux"]].some(
    (one) => asObject(one)["masqueradeAll"] === true,
  );
  const known = (["iptables", "nftables", "ipvs"] as const).find((one) => one === mode);
  return {
    ...(known && { mode: known }),
    masqueradeAll: isMasqueraded,
    local,
    nodePortAddresses: Array.isArray(nodePortAddresses) ? nodePortAddresses.map(String) : [],
  };
}

function localBy(mode: string, cidrs: readonly Cidr[], more: Json): ProxySettings["local"] | string {
  switch (mode) {
    case "":
    case "ClusterCIDR":
      return { by: "ClusterCIDR", cidrs };
    case "NodeCIDR":
    case "BridgeInterface":
      return { by: mode };
    case "InterfaceNamePrefix":
      return { by: mode, prefix: textOf(more["interfaceNamePrefix"]) };
    default:
      return `detectLocalMode ${mode} of ConfigMap ${proxyConfigMap} is none that is known`;
  }
}

type Json = Readonly<Record<string, unknown>>;

function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
