import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { formatProblem } from "../../base/problem.ts";
import type { LabFile } from "../file/lab-file.ts";
import { parseLabFile } from "../file/load.ts";
import { withNode, withoutNode } from "../nodes/changes.ts";
import { planTopology } from "../topology/plan.ts";
import { birdText } from "./bird-text.ts";
import { checkConfigurations, configurationOf } from "./configuration.ts";
import { daemonsFor, frrChanges, frrText } from "./frr-text.ts";
import { speakerOf } from "./speaker.ts";

function lab(router: string): LabFile {
  const result = parseLabFile(
    `
name: rt
networks:
  - {name: lan-a, cidrs: [192.168.18.0/24, "fd00:18::/64"]}
  - {name: lan-b, cidr: 192.168.28.0/24}
  - {name: dc, cidr: 10.9.0.0/24}
  - {name: far, cidr: 10.8.0.0/24}
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd00:18::11"]}
  - {name: node2, addresses: [10.9.0.12, 192.168.28.12]}
  - {name: node3, address: 10.8.0.13}
routers:
  - ${router}
`,
    "lab.yaml",
  );
  if ("problems" in result) throw new Error(result.problems.map(formatProblem).join("\n"));
  return result.lab;
}

const speaker = (file: LabFile) => speakerOf(file.routers[0]!, file, planTopology(file).members[0]!);

const all = `{name: r1, type: TYPE, addresses: [192.168.18.1, "fd00:18::1", 192.168.28.1], as: 65001,
     peers: [{nodes: true, as: 64512, password: s3cret}, {address: 192.168.28.9, as: 65001, multihop: true},
             {range: 192.168.28.0/25, as: 65003}, {address: 192.168.18.9, as: 65004, passive: true}],
     announce: [10.77.0.0/16, "fd00:77::/64"], rip: {networks: [lan-a], update: 6s}}`;

describe("a generated router", () => {
  it("speaks with each node on the network that both are on, and announces its networks without nodes", () => {
    const file = lab(
      "{name: r1, type: frr, as: 1, addresses: [192.168.18.1, 192.168.28.1], peers: [{nodes: true, as: 2}]}",
    );
    expect(speaker(file).bgp?.peers.map(({ address }) => address)).toEqual([
      "192.168.18.11",
      "fd00:18::11",
      "192.168.28.12",
    ]);
    expect(speaker(file).announce).toEqual([]);
    const alone = { ...file, nodes: file.nodes.slice(0, 1) };
    expect(speaker(alone).announce).toEqual(["192.168.28.0/24"]);
  });

  it("is written in BIRD's words", async () => {
    const file = lab(all.replace("TYPE", "bird"));
    await expect(birdText(speaker(file))).toMatchFileSnapshot("golden/bird.conf");
  });

  it("is written in FRR's words", async () => {
    const file = lab(all.replace("TYPE", "frr"));
    const text = frrText(speaker(file));
    await expect(text).toMatchFileSnapshot("golden/frr.conf");
    expect(daemonsFor(text)).toEqual(["zebra", "bgpd", "ripd", "ripngd"]);
    expect(daemonsFor(frrText(speaker(lab("{name: r, type: frr, addresses: [10.8.0.3]}"))))).toEqual([
      "zebra",
    ]);
  });

  it("follows nodes that come and go, and leaves the others alone", () => {
    const file = lab(
      "{name: r1, type: frr, as: 1, addresses: [192.168.18.1], peers: [{nodes: true, as: 2}]}",
    );
    const more = withNode(file, { name: "node4", address: "192.168.18.14" }).lab;
    expect(frrChanges(speaker(file), speaker(more))).toEqual([
      "configure terminal",
      "router bgp 1",
      "neighbor 192.168.18.14 remote-as 2",
      "neighbor 192.168.18.14 timers connect 1",
      "address-family ipv4 unicast",
      "neighbor 192.168.18.14 activate",
      "exit-address-family",
      "end",
    ]);
    expect(frrChanges(speaker(more), speaker(withoutNode(more, "node4")))).toEqual([
      "configure terminal",
      "router bgp 1",
      "no neighbor 192.168.18.14",
      "end",
    ]);
    expect(frrChanges(speaker(file), speaker(file))).toEqual([]);
  });

  it("that has its own configuration takes the file's text, and refuses protocols that nobody would run", async () => {
    const folder = mkdtempSync("/tmp/trunkline-routers-");
    try {
      const source = path.join(folder, "lab.yaml");
      const file = lab("{name: r1, type: frr, addresses: [192.168.18.1], config: r1.conf}");
      await expect(checkConfigurations(file, source)).rejects.toThrow(
        "router 'r1' cannot run with r1.conf: ENOENT",
      );
      writeFileSync(path.join(folder, "r1.conf"), "router ospf\n");
      expect(configurationOf(file.routers[0]!, file, source)).toEqual({
        daemon: "frr",
        text: "router ospf\n",
      });
      await expect(checkConfigurations(file, source)).rejects.toThrow("none of which is for 'router ospf'");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
