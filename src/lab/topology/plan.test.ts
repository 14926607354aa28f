import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatProblem } from "../../base/problem.ts";
import { parseLabFile } from "../file/load.ts";
import { isPodNetns, netnsName, planTopology } from "./plan.ts";

function plan(text: string) {
  const result = parseLabFile(text, "lab.yaml");
  if ("problems" in result) throw new Error(result.problems.map(formatProblem).join("\n"));
  return planTopology(result.lab);
}

const text = `
name: small
networks:
  - {name: outside, cidr: 10.0.0.0/24}
  - {name: nodes, cidrs: [192.168.18.0/24, "fd00:18::/64"], mtu: 9000}
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd00:18::11", 10.0.0.11]}
routers:
  - {name: gate, addresses: [192.168.18.1, "fd00:18::1", 10.0.0.1], routes: [{to: 10.7.0.0/16, via: 10.0.0.7}]}
hosts:
  - {name: db, address: 10.0.0.9}
`;

describe("a namespace's name", () => {
  it("is never that of another lab's member", () => {
    // Letters, digits and `-`, as the lab file's rules have them.
    const word = fc.stringMatching(/^[ab]([-ab]{0,4}[ab])?$/);
    fc.assert(
      fc.property(word, word, word, word, (lab, member, other, theirs) => {
        fc.pre(lab !== other || member !== theirs);
        expect(netnsName(lab, member)).not.toBe(netnsName(other, theirs));
      }),
      { examples: [["x", "a-b", "x-a", "b"]], numRuns: 2000 },
    );
    expect(netnsName("x", "a-n1")).not.toBe(netnsName("x-a", "n1"));
  });

  it("is a pod's in its own lab only", () => {
    const name = netnsName("x", "pod-0123456789ab");
    expect(isPodNetns("x", name)).toBe(true);
    for (const lab of ["x-a", "a", ""]) expect(isPodNetns(lab, name)).toBe(false);
    expect(isPodNetns("x", `${name}c`)).toBe(false);
  });
});

describe("a topology", () => {
  it("puts eth0 where a member's first address is and keeps both families on one wire", () => {
    const node = plan(text).members.find((member) => member.name === "node1")!;
    expect(node.netns).toBe("tl-small-node1");
    expect(node.interfaces.map((link) => [link.name, link.lan.name, link.addresses])).toEqual([
      ["eth0", "nodes", ["192.168.18.11/24", "fd00:18::11/64"]],
      ["eth1", "outside", ["10.0.0.11/24"]],
    ]);
  });

  it("gives nodes and hosts a default route through the router, and routers only what is written", () => {
    const { members } = plan(text);
    const routes = Object.fromEntries(members.map((member) => [member.name, member.routes]));
    expect(routes["node1"]).toEqual([
      { to: "0.0.0.0/0", via: "192.168.18.1", interface: "eth0" },
      { to: "::/0", via: "fd00:18::1", interface: "eth0" },
    ]);
    expect(routes["db"]).toEqual([{ to: "0.0.0.0/0", via: "10.0.0.1", interface: "eth0" }]);
    expect(routes["gate"]).toEqual([{ to: "10.7.0.0/16", via: "10.0.0.7", interface: "eth1" }]);
    expect(members.filter((member) => member.forwards).map((member) => member.name)).toEqual([
      "gate",
      "node1",
    ]);
  });

  it("never uses one port of a bridge twice", () => {
    const ports = plan(text).members.flatMap((member) => member.interfaces.map((link) => link.port));
    expect(new Set(ports).size).toBe(ports.length);
  });
});
