import { describe, expect, it } from "vitest";
import { ownersOf } from "./owner.ts";
import { parseIptablesSave } from "./parse-iptables.ts";
import { parseNftJson } from "./parse-nft.ts";

const hints = { podRanges: [] };
const named = (chains: Parameters<typeof ownersOf>[0][]) =>
  chains.flatMap((chain) => ownersOf(chain, hints)).map(({ name, sure }) => `${name} (${sure})`);

describe("owners of nftables rules, by their tables", () => {
  it.each([
    ["ip docker-bridges", "nat-postrouting", "Docker"],
    ["ip6 docker-bridges", "nat-postrouting", "Docker"],
    ["inet netavark", "POSTROUTING", "Podman (netavark)"],
    ["ip libvirt_network", "guest_nat", "libvirt"],
    ["inet firewalld", "nat_POSTROUTING", "firewalld"],
    ["ip firewalld", "nat_POST_public", "firewalld"],
    ["ip antrea", "postrouting", "Antrea"],
    ["inet kube-router", "postrouting", "kube-router"],
    ["ip kube-router-filter", "postrouting", "kube-router"],
    ["inet cni_plugins_masquerade", "masq_checks", "CNI plugins"],
    ["ip cni_hostport", "hostports", "CNI plugins"],
    ["ip6 cni_hostport", "hostports", "CNI plugins"],
    ["inet tailscale", "postrouting", "Tailscale"],
    ["ip io.systemd.nat", "nat_postrouting", "systemd-networkd"],
    ["ip nm-shared-eth1", "nat_postrouting", "NetworkManager"],
    ["ip wg-quick-wg0", "postmangle", "wg-quick"],
    ["ip calico", "nat-cali-POSTROUTING", "Calico"],
    // Chains that a tool puts into tables which it shares.
    ["ip nat", "ts-postrouting", "Tailscale"],
    ["ip nat", "LIBVIRT_PRT", "libvirt"],
    ["inet fw4", "nv_2f259bab_172_18_0_0_nm24", "Podman (netavark)"],
  ])("%s, %s: %s", (table, chain, owner) => {
    const [family, name] = table.split(" ");
    const at = { family, table: name, name: chain };
    const rule = { family, table: name, chain, handle: 3, expr: [{ masquerade: null }] };
    expect(named(parseNftJson([{ chain: at }, { rule }]))).toEqual([`${owner} (certain)`]);
  });

  it("a table that nobody known has", () => {
    const rule = {
      family: "ip",
      table: "mine",
      chain: "postrouting",
      handle: 3,
      expr: [{ masquerade: null }],
    };
    const chain = { family: "ip", table: "mine", name: "postrouting" };
    expect(named(parseNftJson([{ chain }, { rule }]))).toEqual(["unknown (none)"]);
  });
});

describe("owners of iptables rules", () => {
  const first = (rule: string, chains = "") =>
    named(
      parseIptablesSave(
        `*nat\n:POSTROUTING ACCEPT [0:0]\n${chains}-A POSTROUTING ${rule}\nCOMMIT\n`,
        "iptables-nft",
      ),
    );

  it.each([
    ["-j ts-postrouting", "Tailscale (certain)"],
    ["-j LIBVIRT_PRT", "libvirt (certain)"],
    ["-j POSTROUTING_ZONES", "firewalld (certain)"],
    ["-j ufw-user-postrouting", "ufw (certain)"],
    ["-j NETAVARK-HOSTPORT-MASQ", "Podman (netavark) (certain)"],
    ["-s 10.88.0.0/16 -j NETAVARK-1D8721804F16F", "Podman (netavark) (certain)"],
    ["-j ANTREA-POSTROUTING", "Antrea (certain)"],
    ["-j WEAVE", "Weave Net (certain)"],
    ["-j AWS-SNAT-CHAIN-0", "Amazon VPC CNI (certain)"],
    ['-m comment --comment "Antrea: masquerade Pod to external packets" -j MASQUERADE', "Antrea (certain)"],
    ['-m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ', "CNI plugins (certain)"],
    [
      "-m set --match-set kube-router-pod-subnets src -m set ! --match-set kube-router-pod-subnets dst -j MASQUERADE",
      "kube-router (certain)",
    ],
    ["-m set --match-set cali40masq-ipam-pools src -j MASQUERADE", "Calico (certain)"],
    ["-s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE", "libvirt (likely)"],
    ["-s 10.0.0.0/8 ! -d 10.0.0.0/8 -j MASQUERADE", "unknown (none)"],
    // A comment that somebody wrote about another program is no sign of it.
    ['-m comment --comment "as Antrea: does" -j MASQUERADE', "unknown (none)"],
  ])("%s", (rule, owner) => expect(first(rule)).toEqual([owner]));
});
