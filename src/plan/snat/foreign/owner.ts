// Whose rule is it? By chain, comment and jump target where these are certain signs, by shape where there is nothing
// better, and then only together with all its siblings.
import { type Cidr, cidrCovers, cidrsOverlap, formatCidr } from "../../../base/ip.ts";
import type { ForeignChain, ForeignRule } from "./types.ts";

export interface Owner {
  /** Such as "flannel"; "unknown" where nothing tells. */
  readonly name: string;
  /** certain: nobody else uses that sign; likely: the shape fits; guess: it resembles, but something is missing. */
  readonly sure: "certain" | "likely" | "guess" | "none";
  /** The sign, worded. */
  readonly why: string;
}

export interface OwnerHints {
  /** Flannel's `Network`, from kube-flannel-cfg. */
  readonly flannelNetwork?: Cidr;
  /** Where pods' addresses come from. */
  readonly podRanges: readonly Cidr[];
  /** ip-masq-agent's --masq-chain, where it was changed. */
  readonly masqChain?: string;
}

type Signs = readonly (readonly [RegExp, string])[];

const chainOwners: Signs = [
  [/^IP-MASQ-AGENT$/, "ip-masq-agent"],
  [/^IP-MASQ$/, "GKE ip-masq-agent"],
  [/^FLANNEL-(POSTRTG|FWD)$/, "flannel"],
  [/^KUBE-(ROUTER|POD-FW|NWPLCY)-/, "kube-router"],
  [/^KUBE-/, "kube-proxy or kubelet"],
  [/^(cali|califw|calitw|califh|calith|calipi|calipo|felix)-/, "Calico"],
  [/^CNI-([0-9a-f]{24}|HOSTPORT-.*|SN-.*|DN-.*|FORWARD|ADMIN)$/, "CNI plugins"],
  [/^(OLD_)?CILIUM_/, "Cilium"],
  [/^DOCKER/, "Docker"],
  [/^ANTREA-/, "Antrea"],
  [/^OPENSHIFT-/, "OpenShift"],
  [/^(OVN-KUBE|OVN-)/, "OVN-Kubernetes"],
  [/^(NETAVARK[-_]|nv_[0-9a-f]{8}_)/, "Podman (netavark)"],
  [/^LIBVIRT_/, "libvirt"],
  [/^ts-(input|forward|postrouting)$/, "Tailscale"],
  [/^ufw6?-/, "ufw"],
  [/^(PRE|POST)ROUTING_(direct|ZONES(_SOURCE)?|POLICIES_(pre|post))$/, "firewalld"],
  [/^(INPUT|OUTPUT|FORWARD)_(direct|(IN_|OUT_)?ZONES(_SOURCE)?|POLICIES_(pre|post))$/, "firewalld"],
  [/^WEAVE(-|$)/, "Weave Net"],
  [/^AWS-(SNAT|CONNMARK)-CHAIN-/, "Amazon VPC CNI"],
  [/^ISTIO_/, "Istio"],
  [/^f2b-/, "fail2ban"],
];

const tableOwners: Signs = [
  [/ flannel-ipv[46]$/, "flannel"],
  [/ kube-proxy$/, "kube-proxy or kubelet"],
  [/ kube-router/, "kube-router"],
  [/ calico$/, "Calico"],
  [/ cni_/, "CNI plugins"],
  [/^(ip|ip6) docker-bridges$/, "Docker"],
  [/ netavark$/, "Podman (netavark)"],
  [/^(ip|ip6) libvirt_network$/, "libvirt"],
  [/ tailscale/, "Tailscale"],
  [/ antrea/, "Antrea"],
  [/ (firewalld|firewalld_policy_drop)$/, "firewalld"],
  [/ ufw$/, "ufw"],
  [/ ovn-kubernetes/, "OVN-Kubernetes"],
  [/ io\.systemd\.nat$/, "systemd-networkd"],
  [/ nm-(shared|sh)-/, "NetworkManager"],
  [/ (incus|lxd|lxc)$/, "Incus or LXD"],
  [/ wg-quick-/, "wg-quick"],
  [/ f2b-table$/, "fail2ban"],
];

const commentOwners: Signs = [
  [/^ip-masq-agent:/, "ip-masq-agent"],
  [/^ip-masq:/, "GKE ip-masq-agent"],
  [/^flanneld (masq|forward)/, "flannel"],
  [/^cali:/, "Calico"],
  [/^cilium-feeder/, "Cilium"],
  [/^((dnat )?name: ".*" id: "|CNI (portfwd|firewall|HostPort))/, "CNI plugins"],
  [/^(netavark |name: \S+ id: [0-9a-f]+$)/, "Podman (netavark)"],
  [/^Antrea: /, "Antrea"],
  [/^kubernetes (postrouting|service) /, "kube-proxy or kubelet"],
  [/^AWS SNAT CHAIN/, "Amazon VPC CNI"],
  [/^SNAT marked packets|^ovn-k8s/i, "OVN-Kubernetes"],
];

/** Sets of addresses that rules ask for; nobody else makes sets of these names. */
const setOwners: Signs = [
  [/\bkube-router-/, "kube-router"],
  [/\bcali(40|60)/, "Calico"],
  [/\bANTREA-/, "Antrea"],
  [/\bKUBE-/, "kube-proxy or kubelet"],
  [/\bcilium_/, "Cilium"],
];

/** Returns the owner of every rule of a chain. */
export function ownersOf(chain: ForeignChain, hints: OwnerHints): Owner[] {
  const owners = chain.rules.map((rule) => bySign(rule, hints) ?? byShape(rule));
  const shapes = chain.rules.map((rule) => flannelShape(rule));
  for (const start of shapes.keys()) {
    const group = shapes.slice(start, start + 4);
    if (!group.every((shape, at) => shape?.number === at + 1)) continue;
    const network = sameNetwork(group);
    if (!network || owners.slice(start, start + 4).some(({ sure }) => sure === "certain")) continue;
    const owner = oldFlannel(network, hints);
    for (let at = start; at < start + 4; at++) owners[at] = owner;
  }
  return owners;
}

function bySign(rule: ForeignRule, hints: OwnerHints): Owner | undefined {
  const certain = (name: string, why: string): Owner => ({ name, sure: "certain", why });
  const jump = rule.target.type === "jump" || rule.target.type === "goto" ? rule.target.chain : undefined;
  const table = tableOwners.find(([pattern]) => pattern.test(rule.table));
  if (table) return certain(generation(table[1], true), `nft table ${rule.table}`);
  for (const [what, chain] of [
    ["stands in", rule.chain],
    ["jumps to", jump],
  ] as const) {
    if (chain === undefined) continue;
    if (chain === hints.masqChain) return certain("ip-masq-agent", `${what} its chain ${chain}`);
    const found = chainOwners.find(([pattern]) => pattern.test(chain));
    if (found) return certain(generation(found[1], true), `${what} chain ${chain}`);
  }
  for (const [pattern, name] of commentOwners) {
    if (!pattern.test(rule.comment ?? "")) continue;
    // With --masq-chain changed only the comment is left, which somebody may have copied.
    const custom = name === "ip-masq-agent";
    return {
      name: generation(name, false),
      sure: custom ? "likely" : "certain",
      why: `comment "${rule.comment}"`,
    };
  }
  for (const word of rule.match.unknown) {
    const set = /match-set|@/.test(word) ? setOwners.find(([pattern]) => pattern.test(word)) : undefined;
    if (set) return certain(set[1], `asks for a set of its own (${word})`);
  }
  return undefined;
}

/** Flannel since 0.20 has chains of its own; from 0.17 to 0.19 only comments. */
function generation(name: string, chains: boolean): string {
  if (name !== "flannel") return name;
  return chains ? "flannel (0.20 or later)" : "flannel (0.17 to 0.19)";
}

function byShape(rule: ForeignRule): Owner {
  const { outInterface, source, destination } = rule.match;
  if (
    rule.target.type === "masquerade" &&
    source &&
    outInterface?.not &&
    /^(docker|br-)/.test(outInterface.value)
  ) {
    return {
      name: "Docker",
      sure: "likely",
      why: `masquerades what leaves bridge ${outInterface.value}'s own range, as Docker does`,
    };
  }
  if (
    rule.target.type === "masquerade" &&
    source?.not === false &&
    destination?.not === true &&
    formatCidr(source.value) === formatCidr(destination.value) &&
    /^192\.168\.12[2-9]\.0\/24$/.test(formatCidr(source.value))
  ) {
    return {
      name: "libvirt",
      sure: "likely",
      why: `masquerades what leaves ${formatCidr(source.value)} for elsewhere, as libvirt's networks do`,
    };
  }
  return { name: "unknown", sure: "none", why: "no sign of any known program" };
}

/**
 * Flannel's four rules before 0.17 had neither comment nor chain (N the cluster's network, S this node's part of it):
 * -s N -d N RETURN; -s N ! -d multicast MASQUERADE; ! -s N -d S RETURN; ! -s N -d N MASQUERADE.
 */
function flannelShape(rule: ForeignRule): { number: 1 | 2 | 3 | 4; network: Cidr; part?: Cidr } | undefined {
  const { source, destination, unknown, ...rest } = rule.match;
  if (!source || !destination || unknown.length > 0 || Object.keys(rest).length > 0) return undefined;
  const network = source.value;
  const target = rule.target.type;
  const same = formatCidr(network) === formatCidr(destination.value);
  if (!source.not && !destination.not && same && target === "return") return { number: 1, network };
  const multicast = network.family === 4 ? "224.0.0.0/4" : "ff00::/8";
  if (
    !source.not &&
    destination.not &&
    target === "masquerade" &&
    formatCidr(destination.value) === multicast
  )
    return { number: 2, network };
  if (!source.not || destination.not) return undefined;
  if (target === "return" && !same && cidrCovers(network, destination.value))
    return { number: 3, network, part: destination.value };
  return target === "masquerade" && same ? { number: 4, network } : undefined;
}

function sameNetwork(group: readonly ({ network: Cidr } | undefined)[]): Cidr | undefined {
  const names = new Set(group.map((shape) => shape && formatCidr(shape.network)));
  return names.size === 1 ? group[0]?.network : undefined;
}

function oldFlannel(network: Cidr, hints: OwnerHints): Owner {
  const name = "flannel (before 0.17)";
  const text = formatCidr(network);
  const shape = `one of flannel's four rules for ${text}, which stand together`;
  if (hints.flannelNetwork && formatCidr(hints.flannelNetwork) === text)
    return { name, sure: "likely", why: `${shape}; kube-flannel-cfg names the same network` };
  if (hints.podRanges.some((range) => cidrsOverlap(range, network)))
    return { name, sure: "likely", why: `${shape}; pods have addresses of it` };
  return { name, sure: "guess", why: `${shape}; but neither kube-flannel-cfg nor any pool has that range` };
}
