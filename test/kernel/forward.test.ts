// Pods' packets past the forward hook as other programs leave it: iptables' FORWARD chain that drops by policy, and
// nftables chains that do.
import { afterEach, describe, expect, it } from "vitest";
import { ForwardManager } from "../../src/agent/managers/forward-manager.ts";
import { silent } from "../../src/base/log.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { clusterFacts, clusterNode, pod, pool } from "../../src/plan/snat/facts.suite.ts";
import { NatBed, vpcHost } from "./snat/nat-bed.ts";

const facts = clusterFacts({
  pools: [pool("pods", "172.16.0.0/16")],
  pods: [pod("web", "172.16.2.5")],
  nodes: [clusterNode("node1", ["192.168.18.11"])],
});

describe("the forward hook", () => {
  const beds: NatBed[] = [];
  afterEach(async () => {
    for (const bed of beds.splice(0)) await bed.close();
  });

  async function prepare() {
    const bed = new NatBed();
    beds.push(bed);
    const node = bed.addNode(1);
    const web = bed.addPod(node, "172.16.2.5");
    await bed.listen(80);
    await bed.apply(node, facts);
    const netns = { name: node.netns };
    const manager = new ForwardManager({ node: "node1", kernel: node.kernel, netns, logger: silent });
    const look = () => manager.resync(facts, node.facts());
    const seen = () => bed.seen(web, vpcHost, 80, 400);
    await look();
    expect(await seen()).toBe(web.ip);
    return { node, web, netns, manager, look, seen };
  }

  it.each(["iptables-nft", "iptables-legacy"])(
    "%s: pods pass where the policy drops, and only there",
    async (tool) => {
      const { web, netns, manager, look, seen } = await prepare();
      const iptables = (...words: string[]) => run(tool, words, { netns });
      const save = async () => (await run(`${tool}-save`, ["-t", "filter"], { netns })).stdout;
      await iptables("-P", "FORWARD", "DROP");
      expect(await seen()).toContain("none");
      await look();
      expect(await seen()).toBe(web.ip);
      expect(manager.notReady()).toEqual([]);

      // What another program's rule drops stays dropped: ours come last.
      await iptables("-A", "FORWARD", "-d", vpcHost, "-p", "tcp", "-j", "DROP");
      await iptables(
        "-D",
        "FORWARD",
        "-m",
        "comment",
        "--comment",
        "trunkline: pods pass, whatever the policy",
        "-j",
        "TRUNKLINE-FORWARD",
      );
      await look();
      expect(await seen()).toContain("none");
      await iptables("-D", "FORWARD", "-d", vpcHost, "-p", "tcp", "-j", "DROP");
      expect(await seen()).toBe(web.ip);

      await iptables("-F", "TRUNKLINE-FORWARD");
      expect(await seen()).toContain("none");
      await look();
      expect(await seen()).toBe(web.ip);
      const healed = await save();
      await look();
      expect((await save()).replaceAll(/\[\d+:\d+\]|^#.*$/gm, "")).toBe(
        healed.replaceAll(/\[\d+:\d+\]|^#.*$/gm, ""),
      );

      await iptables("-P", "FORWARD", "ACCEPT");
      await look();
      expect(await save()).not.toContain("TRUNKLINE");
      expect(await seen()).toBe(web.ip);
    },
  );

  it("nftables: a table that drops all pods is told with the commands that mend it, and these do", async () => {
    const { node, web, netns, manager, look, seen } = await prepare();
    await node.kernel.nft.run(
      'table inet fw {\n chain forward {\n type filter hook forward priority 10; policy drop;\n ct state established,related accept\n iifname "ex*" accept\n }\n}\n',
    );
    await look();
    expect(await seen()).toContain("none");
    const [problem] = manager.problems();
    expect(problem).toMatchObject({ code: "forward.dropped", object: "Node/node1" });
    expect(manager.notReady()).toEqual([problem?.message]);
    const commands = problem?.message.split("let them pass: ")[1]?.split(" && ") ?? [];
    expect(commands).toHaveLength(2);
    for (const command of commands) await run("nft", command.split(" ").slice(1), { netns });
    await look();
    expect(manager.notReady()).toEqual([]);
    expect(await seen()).toBe(web.ip);
  });
});
