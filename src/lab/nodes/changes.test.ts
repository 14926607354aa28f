import { describe, expect, it } from "vitest";
import { parseLabFile } from "../file/load.ts";
import { renumbered, withNode, withoutNode } from "./changes.ts";

const parsed = parseLabFile(
  `
name: small
networks: [{name: a, cidrs: [192.168.18.0/24, "fd00:18::/64"]}, {name: b, cidr: 10.9.0.0/24}]
nodes: [{name: node1, addresses: [192.168.18.11, 10.9.0.11, "fd00:18::11"]}, {name: node2, address: 192.168.18.12}]
`,
  "lab.yaml",
);
if ("problems" in parsed) throw new Error("the lab file is meant to be good");
const { lab } = parsed;

describe("a lab's nodes", () => {
  it("come, as a lab file would have them, and go", () => {
    const { lab: more, node } = withNode(lab, { name: "node3", addresses: ["192.168.18.13"] });
    expect(node).toMatchObject({ name: "node3", labels: {}, annotations: {}, taints: [] });
    expect(more.nodes.map(({ name }) => name)).toEqual(["node1", "node2", "node3"]);
    expect(withoutNode(more, "node3")).toEqual(lab);
  });

  it("get another address of a network that they are on, at the old one's place", () => {
    const { node, before, after } = renumbered(lab, "node1", "10.9.0.77");
    expect([before, after]).toEqual(["10.9.0.11", "10.9.0.77"]);
    expect(node.addresses).toEqual(["192.168.18.11", "10.9.0.77", "fd00:18::11"]);
    expect(renumbered(lab, "node1", "fd00:18:0::77").node.addresses[2]).toBe("fd00:18::77");
    expect(renumbered(lab, "node2", "192.168.18.12").lab).toBe(lab);
  });

  it.each([
    ["a name that is taken", () => withNode(lab, { name: "node1", address: "192.168.18.13" }), "is taken"],
    [
      "an address of another",
      () => withNode(lab, { name: "n", address: "192.168.18.12" }),
      "also that of 'node2'",
    ],
    [
      "no network's address",
      () => withNode(lab, { name: "n", address: "8.8.8.8" }),
      "none of the lab's networks",
    ],
    ["no address at all", () => withNode(lab, { name: "n", address: "x" }), "must be an IP address"],
    [
      "an address elsewhere",
      () => renumbered(lab, "node2", "10.9.0.12"),
      "none of the networks that it stands on",
    ],
    [
      "an address that is taken",
      () => renumbered(lab, "node1", "192.168.18.12"),
      "'node2' has 192.168.18.12, which is also that of 'node1'",
    ],
    ["a node that is not there", () => renumbered(lab, "node9", "192.168.18.19"), "no node of this lab"],
    ["nobody's removal", () => withoutNode(lab, "node9"), "there is: node1, node2"],
  ])("refuse %s", (_, make, words) => expect(make).toThrow(words));
});
