import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { readForeignRules } from "../../../src/agent/managers/foreign-rules.ts";
import { run } from "../../../src/kernel/exec/index.ts";
import { commandLinesOf, runForeignNat } from "../../../src/kernel/foreign-nat.ts";
import { clusterFacts, clusterNode, pod, pool } from "../../../src/plan/snat/facts.suite.ts";
import {
  backupOf,
  cleanSteps,
  type ForeignRules,
  foreignNatEffect,
  planTakeover,
  undoSteps,
} from "../../../src/plan/snat/foreign/index.ts";
import { planSnat } from "../../../src/plan/snat/index.ts";
import { type BedNode, type BedPod, NatBed, vpcHost } from "./nat-bed.ts";

const rules = readFileSync(
  new URL("../../../examples/source-nat/postrouting-before.rules", import.meta.url),
  "utf8",
);
const config = "nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 172.16.0.0/12\n- 192.168.0.0/16\n";
const facts = clusterFacts({
  pools: [pool("pods", "172.16.0.0/16")],
  pods: [pod("web", "172.16.2.5")],
  nodes: [clusterNode("node1", ["192.168.18.11"])],
  config,
  configMaps: { "kube-flannel-cfg": { "net-conf.json": '{"Network": "172.16.0.0/16"}' } },
});
const idle = { flanneld: [], daemonSets: [], pods: [] };

describe("taking over from flannel on a real node", () => {
  const beds: NatBed[] = [];
  afterEach(async () => {
    for (const bed of beds.splice(0)) await bed.close();
  });

  async function prepare(): Promise<{ bed: NatBed; node: BedNode; web: BedPod; netns: { name: string } }> {
    const bed = new NatBed();
    beds.push(bed);
    const node = bed.addNode(1);
    const web = bed.addPod(node, "172.16.2.5");
    await bed.listen(80);
    await bed.apply(node, facts);
    return { bed, node, web, netns: { name: node.netns } };
  }
  const judge = (foreign: ForeignRules, node: BedNode) =>
    planTakeover(facts, planSnat(facts, node.facts()), foreign, idle).rules;

  it.each([
    ["iptables-nft", "iptables-nft"],
    ["iptables-legacy", "iptables-legacy"],
  ] as const)("%s: removes exactly flannel's four, and puts them back byte for byte", async (store, tool) => {
    const { bed, node, web, netns } = await prepare();
    const save = async () => {
      const { stdout } = await run(`${tool}-save`, ["-t", "nat"], { netns });
      // Times of day and counters of policies are no rules.
      return stdout.replaceAll(/^#.*\n/gm, "").replaceAll(/ \[\d+:\d+\]$/gm, "");
    };
    await run(`${tool}-restore`, [], { netns, input: rules });
    const before = await save();
    const found = await readForeignRules(node.kernel, netns);
    const judged = judge(found.rules, node).filter(
      (one) => one.rule.store === store && one.rule.chain === "POSTROUTING",
    );
    expect(judged.map(({ verdict }) => verdict)).toEqual([
      "keep",
      "keep",
      "delete",
      "delete",
      "delete",
      "delete",
      "keep",
    ]);
    const flow = { source: web.ip, destination: vpcHost, protocol: "tcp", outInterface: "eth0" };
    expect(foreignNatEffect(found.rules, flow)).toMatchObject({ action: "masquerade", uncertain: [] });
    expect(await bed.seen(web, vpcHost)).toBe("192.168.18.11");

    const all = judge(found.rules, node);
    const backup = backupOf(found.rules, all, { node: node.name, takenAt: "", texts: found.texts });
    for (const step of cleanSteps(found.rules, all)) await runForeignNat(step, netns);
    const after = await save();
    const gone = before.split("\n").filter((line) => !after.split("\n").includes(line));
    expect(gone).toHaveLength(4);
    expect(after.split("\n")).toHaveLength(before.split("\n").length - 4);
    const clean = await readForeignRules(node.kernel, netns);
    expect(foreignNatEffect(clean.rules, flow).action).toBe("none");
    expect(await bed.seen(web, vpcHost)).toBe(web.ip);

    for (const step of undoSteps(backup, clean.rules)) await runForeignNat(step, netns);
    expect(await save()).toBe(before);
    expect(await bed.seen(web, vpcHost)).toBe("192.168.18.11");
  });

  it("nftables: flannel's table of 0.25 and later", async () => {
    const { bed, node, web, netns } = await prepare();
    await node.kernel.nft.run(`table ip flannel-ipv4 {
  chain postrtg {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x4000 return
    ip saddr 172.16.0.0/16 ip daddr 172.16.0.0/16 return
    ip saddr 172.16.0.0/16 ip daddr != 224.0.0.0/4 counter masquerade fully-random comment "flanneld masq"
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr 172.16.0.0/16 accept
  }
}
`);
    const list = async () =>
      (await run("nft", ["-s", "list", "table", "ip", "flannel-ipv4"], { netns })).stdout;
    const before = await list();
    const found = await readForeignRules(node.kernel, netns);
    expect(await bed.seen(web, vpcHost)).toBe("192.168.18.11");
    const all = judge(found.rules, node).filter(({ rule }) => rule.chain === "postrtg");
    expect(all.map(({ verdict, inTheWay }) => [verdict, inTheWay])).toEqual([
      ["delete", false],
      ["delete", false],
      ["delete", true],
    ]);
    const backup = backupOf(found.rules, all, { node: node.name, takenAt: "", texts: found.texts });
    for (const step of cleanSteps(found.rules, all)) await runForeignNat(step, netns);
    expect(await bed.seen(web, vpcHost)).toBe(web.ip);
    expect(await list()).toContain("chain forward");
    const clean = await readForeignRules(node.kernel, netns);
    for (const step of undoSteps(backup, clean.rules)) await runForeignNat(step, netns);
    expect((await list()).split("\n").toSorted()).toEqual(before.split("\n").toSorted());
  });

  it("nftables: a chain of somebody's own in the table that iptables uses, alone and beside iptables' chains", async () => {
    const { bed, node, web, netns } = await prepare();
    const own =
      "table ip nat {\n chain postrouting {\n type nat hook postrouting priority srcnat\n" +
      " ip saddr 172.16.0.0/16 masquerade\n }\n}\n";
    await node.kernel.nft.run(own);
    const ways = async () => {
      const { rules: found } = await readForeignRules(node.kernel, netns);
      return judge(found, node).map(({ rule, inTheWay }) => `${rule.store} ${rule.chain} ${inTheWay}`);
    };
    const ours = "nft postrouting true";
    expect(await ways()).toEqual([ours]);
    expect(await bed.seen(web, vpcHost)).toBe("192.168.18.11");
    const kept = ["-t", "nat", "-A", "POSTROUTING", "-s", "10.9.0.0/16", "-j", "MASQUERADE"];
    await run("iptables-nft", kept, { netns });
    expect((await ways()).toSorted()).toEqual(["iptables-nft POSTROUTING false", ours]);
  });

  it("sees only programs of that name and of that namespace", async () => {
    const { node, netns } = await prepare();
    expect(commandLinesOf("flanneld", `/run/netns/${netns.name}`)).toEqual([]);
    const other = new AbortController();
    const started = Promise.withResolvers<void>();
    const finished = run("bash", ["-c", "exec -a flanneld sleep 60"], {
      netns,
      signal: other.signal,
      onStart: () => started.resolve(),
    }).catch(() => {});
    await started.promise;
    let lines: string[][] = [];
    for (let left = 100; lines.length === 0 && left > 0; left--) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      lines = commandLinesOf("flanneld", `/run/netns/${netns.name}`);
    }
    expect(lines).toEqual([["flanneld", "60"]]);
    expect(commandLinesOf("flanneld", `/run/netns/${node.netns.replace(/n1$/, "out")}`)).toEqual([]);
    const { blockers } = planTakeover(
      facts,
      planSnat(facts, node.facts()),
      { chains: [], unreadable: [] },
      { ...idle, flanneld: lines },
    );
    expect(blockers).toEqual([]);
    other.abort();
    await finished;
  });
});
