import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../api/object.ts";
import { node, pool } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { explain } from "../explain.ts";
import { judgesOf } from "../judges/plans.ts";
import { parseEnd, parseTarget } from "../target.ts";
import { ask, facts, type Given, iptables, rules } from "./journey.suite.ts";

describe("where nodes' tunnels end", () => {
  const standing = (name: string, address: string, inner: string) => {
    const one = node(name, address);
    const annotations = { "projectcalico.org/IPv4VXLANTunnelAddr": inner };
    return { ...one, metadata: { ...one.metadata, annotations } };
  };
  const tunnelled = { ...pool("pods", "10.1.0.0/16", false) };
  const of = facts(
    { ...tunnelled, spec: { ...tunnelled.spec, vxlanMode: "Always" } } as KubeObject,
    standing("n1", "192.168.18.3", "10.1.0.3"),
    standing("n2", "192.168.18.4", "10.1.0.67"),
  );
  const said = (sender: string, to: string, more: Given = {}) => {
    const { verdict, expected, text } = ask(sender, to, { of, ...more });
    return [verdict, expected, /\((.*)\): a probe/.exec(text)?.[1]];
  };

  it("pods send nothing, whichever node's it is", () => {
    const why = "pods send none to where nodes' tunnels end (4789/udp)";
    expect(said("pod/web", "node/n2:4789/udp")).toEqual(["no", "filtered", `node/n1 drops it: ${why}`]);
    const only = "only the cluster's other nodes send to where its tunnels end (4789/udp)";
    expect(said("pod/web", "node/n1:4789/udp")).toEqual(["no", "filtered", `node/n1 drops it: ${only}`]);
  });

  it("strangers are not heard, and nodes get no answer", () => {
    const only = "only the cluster's other nodes send to where its tunnels end (4789/udp)";
    expect(said("host/gateway", "node/n2:4789/udp")).toEqual(["no", "filtered", `node/n2 drops it: ${only}`]);
    const taken = "the node's tunnel vxlan.tl takes 4789/udp, and answers nobody";
    expect(said("node/n1", "node/n2:4789/udp")).toEqual(["no", "filtered", taken]);
  });

  it("a target that others translate to it is seen as what it has become", () => {
    const led = iptables(
      "nat",
      "-A PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.18.4:4789",
    );
    expect(said("pod/web", "10.96.0.1:53/udp", { n1: rules(led) }).slice(0, 2)).toEqual(["no", "filtered"]);
    const home = iptables("nat", "-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports 4789");
    expect(said("host/gateway", "node/n2:53/udp", { n2: rules(home) })[1]).toBe("filtered");
  });

  it("others' rules meet the packets that what goes through a tunnel is packed in", () => {
    const filter = (rule: string) => rules(iptables("filter", rule));
    const asked = (more: Given) => said("pod/web", "pod/api:80", more);
    expect(asked({})[0]).toBe("yes");
    const drop = filter("-A INPUT -p udp -m udp --dport 4789 -j DROP");
    const why = "node/n2 stops the packets of the tunnel: iptables-nft -t filter -A INPUT";
    expect(asked({ n2: drop })[2]).toContain(why);
    expect(asked({ n1: drop })[2]).toContain("the answer to 10.1.0.1 does not come back: node/n1 stops");
    expect(asked({ n1: filter("-A OUTPUT -d 192.168.18.4/32 -p udp -j DROP") })[1]).toBe("filtered");
    expect(asked({ n2: filter("-A INPUT -s 192.168.18.4/32 -j DROP") })[0]).toBe("yes");
    expect(asked({ n2: filter("-A INPUT -p udp -m conntrack --ctstate ESTABLISHED -j DROP") })[0]).toBe(
      "yes",
    );
    // Nodes do not track them, and so translate none of them.
    for (const [state, verdict] of [
      ["NEW", "yes"],
      ["INVALID", "yes"],
      ["UNTRACKED", "no"],
    ] as const)
      expect(asked({ n2: filter(`-A INPUT -p udp -m conntrack --ctstate ${state} -j DROP`) })[0]).toBe(
        verdict,
      );
    const elsewhere = "-A POSTROUTING -p udp -m udp --dport 4789 -j SNAT --to-source 192.168.18.99";
    const nat = rules(iptables("nat", elsewhere));
    expect(asked({ n1: nat })[0]).toBe("yes");
  });

  it("what is packed in has the mark that rules have given a tunnel's packets where it ends", () => {
    const marks = iptables("mangle", "-A PREROUTING -p udp -j MARK --set-xmark 0x77/0xff");
    const drops = (chain: string) =>
      rules(marks, iptables("filter", `-A ${chain} -p tcp -m mark --mark 0x77/0xff -j DROP`));
    const asked = (more: Given) => said("pod/web", "pod/api:80", more).slice(0, 2);
    expect(asked({ n2: drops("FORWARD") })).toEqual(["no", "filtered"]);
    expect(asked({ n2: drops("OUTPUT") })).toEqual(["yes", "answered"]);
    // Answers, too; and without tunnels nothing is marked.
    expect(asked({ n1: drops("FORWARD") })).toEqual(["no", "filtered"]);
    expect(ask("pod/web", "pod/api:80", { n2: drops("FORWARD") }).expected).toBe("answered");
    const later = iptables(
      "filter",
      "-A FORWARD -m mark --mark 0x77/0xff -m conntrack --ctstate ESTABLISHED -d 10.1.0.65 -j DROP",
    );
    expect(asked({ n2: rules(marks, later) })).toEqual(["no", "filtered"]);
  });

  it("any other port, and any without tunnels, is as ever", () => {
    expect(ask("pod/web", "node/n2:4790/udp", { of }).expected).toBe("refused");
    expect(ask("pod/web", "node/n2:4789", { of }).expected).toBe("refused");
    expect(ask("pod/web", "node/n2:4789/udp", {}).expected).toBe("refused");
  });

  it("objects alone tell the same", () => {
    const target = parseTarget("node/n2:4789/udp");
    const to = findEnd(of, target.end, "default");
    const told = (sender: string) =>
      explain(of, judgesOf(of), findEnd(of, parseEnd(sender), "default"), to, target.port).expected;
    expect(["pod/web", "host/out", "node/n1"].map(told)).toEqual(["filtered", "filtered", "filtered"]);
  });
});
