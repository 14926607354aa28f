// One node in full: what stands in the kernel for it, to be read by people.
import { describe, expect, it } from "vitest";
import type { Pod } from "../../../api/kinds/core.ts";
import { type NetworkPolicy, STAGE_ANNOTATION } from "../../../api/kinds/network-policy.ts";
import { NftTable } from "../../../kernel/nft/document.ts";
import { NodePolicy } from "../node/node-policy.ts";
import { type Manner, staged } from "./manner.ts";
import { PolicyWriter } from "./writer.ts";

const meta = { namespace: "shop", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };

function pod(name: string, ips: readonly string[], web?: number): Pod {
  const ports = web === undefined ? [] : [{ name: "web", containerPort: web }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta, name, uid: name, labels: { app: name } },
    spec: { nodeName: "n1", containers: [{ name: "c", ports }] },
    status: { phase: "Running", podIPs: ips.map((ip) => ({ ip })) },
  };
}

function example(manner?: Manner): { table: NftTable; policy: NodePolicy } {
  const table = new NftTable("inet", "trunkline");
  const writer = new PolicyWriter(table, undefined, undefined, manner);
  const policy = new NodePolicy(writer, manner === staged);
  writer.start();
  policy.setNamespace("shop", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { ...meta, name: "shop", uid: "n" },
  });
  policy.setPod("shop/api", pod("api", ["10.0.0.1", "fd00::1"], 8080));
  policy.setPod("shop/front", pod("front", ["10.0.0.2", "fd00::2"]));
  policy.setPod("shop/far", pod("far", ["10.0.1.3"]));
  for (const [at, name] of ["api", "front"].entries())
    policy.setEndpoint(name, {
      pod: `shop/${name}`,
      uid: name,
      interface: `tl${at}`,
      ips: [`10.0.0.${at + 1}`, `fd00::${at + 1}`],
    });
  const spec: NetworkPolicy["spec"] = {
    podSelector: { matchLabels: { app: "api" } },
    policyTypes: ["Ingress"],
    ingress: [
      { from: [{ podSelector: { matchLabels: { app: "front" } } }], ports: [{ port: "web" }] },
      { from: [{ ipBlock: { cidr: "172.17.0.0/16", except: ["172.17.1.0/24"] } }] },
    ],
  };
  policy.setPolicy("shop/p", {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: {
      ...meta,
      name: "p",
      uid: "p",
      ...(manner === staged && { annotations: { [STAGE_ANNOTATION]: "true" } }),
    },
    spec,
  });
  policy.flush();
  writer.finish();
  return { table, policy };
}

describe("the nftables text of a node", () => {
  it("is this, for one isolated pod and one that is not", () => {
    expect(example().table.render()).toMatchInlineSnapshot(`
      "table inet trunkline {
        set pod-own4 { type ifname . ipv4_addr; }
          "tl0" . 10.0.0.1
          "tl1" . 10.0.0.2
        set pod-own6 { type ifname . ipv6_addr; }
          "tl0" . fd00::1
          "tl1" . fd00::2
        set pod-refused { type ifname; counter limit rate 10/second burst 20 packets; }
          "tl0"
          "tl1"
        set policy-denied-in { type ifname; counter limit rate 10/second burst 20 packets; }
          "tl0"
        set policy-denied-out { type ifname; counter limit rate 10/second burst 20 packets; }
        map policy-from4 { type ifname . ipv4_addr : verdict; }
          "tl0" . 10.0.0.1 : goto policy-out-open
          "tl1" . 10.0.0.2 : goto policy-ingress
        map policy-from6 { type ifname . ipv6_addr : verdict; }
          "tl0" . fd00::1 : goto policy-out-open
          "tl1" . fd00::2 : goto policy-ingress
        map policy-in-block4-0d0deffa9c2eb8fc { type ipv4_addr : verdict; flags interval; counter; }
          172.17.0.0-172.17.0.255 : jump policy-in-ports-all
          172.17.2.0-172.17.255.255 : jump policy-in-ports-all
        map policy-in-peer4 { type ipv4_addr : classid; }
          10.0.0.2 : ec9f:57b7
        map policy-in-peer6 { type ipv6_addr : classid; }
          fd00::2 : ec9f:57b7
        set policy-in-port4 { type classid . ipv4_addr . inet_proto . inet_service; counter; }
          ec9f:57b7 . 10.0.0.1 . tcp . 8080
        set policy-in-port6 { type classid . ipv6_addr . inet_proto . inet_service; counter; }
          ec9f:57b7 . fd00::1 . tcp . 8080
        map policy-in-row4 { type classid . ipv4_addr : verdict; counter; }
        map policy-in-row6 { type classid . ipv6_addr : verdict; counter; }
        map policy-out-peer4 { type ipv4_addr : classid; }
        map policy-out-peer6 { type ipv6_addr : classid; }
        set policy-out-port4 { type classid . ipv4_addr . inet_proto . inet_service; counter; }
        set policy-out-port6 { type classid . ipv6_addr . inet_proto . inet_service; counter; }
        map policy-out-row4 { type classid . ipv4_addr : verdict; counter; }
        map policy-out-row6 { type classid . ipv6_addr : verdict; counter; }
        set policy-self4 { type ipv4_addr . ipv4_addr; }
          10.0.0.1 . 10.0.0.1
          10.0.0.2 . 10.0.0.2
        set policy-self6 { type ipv6_addr . ipv6_addr; }
          fd00::1 . fd00::1
          fd00::2 . fd00::2
        map policy-to4 { type ifname . ipv4_addr : verdict; }
          "tl0" . 10.0.0.1 : goto policy-in-0d0deffa9c2eb8fc
          "tl1" . 10.0.0.2 : accept
        map policy-to6 { type ifname . ipv6_addr : verdict; }
          "tl0" . fd00::1 : goto policy-in-0d0deffa9c2eb8fc
          "tl1" . fd00::2 : accept
        chain pod-output { type filter hook output priority -10; policy accept; }
          oifgroup & 0xffff0000 != 0x544c0000 accept
          ct state established,related accept
          icmpv6 type nd-redirect drop
          icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
          oifname . ip daddr @pod-own4 accept
          oifname . ip6 daddr @pod-own6 accept
          goto pod-refused-target
        chain pod-refused-loopback
          iifname @pod-refused limit rate 200/second burst 400 packets log prefix "trunkline loopback" group 21580 snaplen 128
          counter drop
        chain pod-refused-source
          ip6 saddr { ::, fe80::/10 } ip6 daddr ff00::/8 drop
          iifname @pod-refused limit rate 200/second burst 400 packets log prefix "trunkline forged" group 21580 snaplen 128
          iifname != @pod-refused limit rate 10/second burst 20 packets log prefix "trunkline unknown-pod" group 21580 snaplen 128
          counter drop
        chain pod-refused-target
          ip6 daddr ff00::/8 drop
          ip daddr 224.0.0.0/4 drop
          limit rate 10/second burst 20 packets log prefix "trunkline no-pod" group 21580 snaplen 128
          counter drop
        chain pod-source
          iifname . ip saddr @pod-own4 return
          iifname . ip6 saddr @pod-own6 return
          ip6 saddr { ::, fe80::/10 } icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } return
          goto pod-refused-source
        chain policy-cut
          limit rate 10/second burst 20 packets log prefix "trunkline cut" group 21580 snaplen 128
          counter reject with tcp reset
        chain policy-egress
          iifname . ip saddr vmap @policy-from4
          iifname . ip6 saddr vmap @policy-from6
          goto pod-refused-source
        chain policy-forward { type filter hook forward priority -20; policy accept; }
          iifgroup & 0xffff0000 == 0x544c0000 jump pod-source
          ct state & (established | related) == 0 goto policy-forward-new
        chain policy-forward-new
          iifgroup & 0xffff0000 == 0x544c0000 goto policy-egress
          goto policy-ingress
        chain policy-in-0d0deffa9c2eb8fc
          ct state invalid goto policy-stray
          tcp flags & (fin | syn | rst | ack) != syn goto policy-cut
          meta priority set ip saddr map @policy-in-peer4 jump policy-in-class4
          meta priority set ip6 saddr map @policy-in-peer6 jump policy-in-class6
          ip saddr vmap @policy-in-block4-0d0deffa9c2eb8fc
          goto policy-refuse-in
        chain policy-in-class4
          meta priority . ip daddr . meta l4proto . th dport @policy-in-port4 meta priority set none accept
          meta priority . ip daddr vmap @policy-in-row4
        chain policy-in-class6
          meta priority . ip6 daddr . meta l4proto . th dport @policy-in-port6 meta priority set none accept
          meta priority . ip6 daddr vmap @policy-in-row6
        chain policy-in-open
          ct state invalid goto policy-stray
          tcp flags & (fin | syn | rst | ack) != syn goto policy-cut
          accept
        chain policy-in-ports-all
          meta priority set none accept
        chain policy-ingress
          oifgroup & 0xffff0000 != 0x544c0000 accept
          oifname . ip daddr vmap @policy-to4
          oifname . ip6 daddr vmap @policy-to6
          oif 0 accept
          goto pod-refused-target
        chain policy-node { type filter hook input priority -20; policy accept; }
          iifgroup & 0xffff0000 != 0x544c0000 accept
          jump pod-source
          ct state & (established | related) == 0 goto policy-node-new
        chain policy-node-new
          iifgroup & 0xffff0000 != 0x544c0000 accept
          iifgroup & 0xffff0000 == 0x544c0000 ip daddr 127.0.0.0/8 goto pod-refused-loopback
          icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
          goto policy-egress
        chain policy-out-class4
          meta priority . ip saddr . meta l4proto . th dport @policy-out-port4 meta priority set none goto policy-ingress
          meta priority . ip saddr vmap @policy-out-row4
        chain policy-out-class6
          meta priority . ip6 saddr . meta l4proto . th dport @policy-out-port6 meta priority set none goto policy-ingress
          meta priority . ip6 saddr vmap @policy-out-row6
        chain policy-out-open
          ct state invalid goto policy-stray
          tcp flags & (fin | syn | rst | ack) != syn goto policy-cut
          goto policy-ingress
        chain policy-refuse-in
          ip saddr . ip daddr @policy-self4 accept
          ip6 saddr . ip6 daddr @policy-self6 accept
          oifname @policy-denied-in limit rate 200/second burst 400 packets log prefix "trunkline ingress" group 21580 snaplen 128
          counter drop
        chain policy-refuse-out
          ip saddr . ip daddr @policy-self4 accept
          ip6 saddr . ip6 daddr @policy-self6 accept
          iifname @policy-denied-out limit rate 200/second burst 400 packets log prefix "trunkline egress" group 21580 snaplen 128
          counter drop
        chain policy-stray
          limit rate 10/second burst 20 packets log prefix "trunkline stray" group 21580 snaplen 128
          counter drop
      }
      "
    `);
  });

  it("refuses nothing where policies are only tried, and asks the same of a packet", () => {
    const isPolicy = (line: string) => /(@policy-(in|out)-|dport|: jump|: goto)/.test(line);
    const [real, tried] = [example().table.render(), example(staged).table.render()];
    expect(tried).not.toMatch(/\b(drop|reject)\b|pod-|limit rate 10\/second burst 20 packets log/);
    expect(tried).toContain('log prefix "trunkline would-ingress"');
    expect(tried.split("\n").filter(isPolicy)).toEqual(real.split("\n").filter(isPolicy));
  });
});
