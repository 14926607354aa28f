import { expect, it } from "vitest";
import { formatProblem } from "../../base/problem.ts";
import { FakeMachine } from "../../kernel/fake/machine.ts";
import { parseLabFile } from "../file/load.ts";
import { buildTopology } from "./build.ts";
import { planTopology } from "./plan.ts";

const text = `
name: small
networks: [{name: nodes, cidr: 192.168.18.0/24}]
nodes: [{name: node1, address: 192.168.18.11}, {name: node2, address: 192.168.18.12}]
`;

async function build() {
  const parsed = parseLabFile(text, "lab.yaml");
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  const machine = new FakeMachine();
  const topology = planTopology(parsed.lab);
  const built = await buildTopology(machine, topology, "mark");
  const wire = machine.open({ name: topology.lans[0]!.netns });
  return { machine, built, wire, node2: topology.members.find(({ name }) => name === "node2")! };
}

it("takes a member off its wire even if somebody holds its namespace, and takes it in again", async () => {
  const { machine, built, wire, node2 } = await build();
  const shell = machine.open({ name: node2.netns });
  const port = node2.interfaces[0]!.port;
  expect(wire.links.get(port)).toBeDefined();
  await built.remove("node2");
  expect(wire.links.get(port)).toBeUndefined();
  expect(shell.links.list().map(({ name }) => name)).toEqual(["lo"]);
  await built.add(node2);
  expect(built.members.has("node2")).toBe(true);
  expect(wire.links.get(port)).toBeDefined();
  shell.close();
});

it("leaves nothing of a member that cannot be added", async () => {
  const { machine, built, wire, node2 } = await build();
  await built.remove("node2");
  const before = machine.listNetns();
  wire.links.add({ kind: "bridge", name: node2.interfaces[0]!.port });
  await expect(built.add(node2)).rejects.toMatchObject({ code: "kernel.exists" });
  expect(machine.listNetns()).toEqual(before);
  expect(built.members.has("node2")).toBe(false);
});

it("leaves a namespace alone that is somebody else's", async () => {
  const { machine, built, node2 } = await build();
  await built.remove("node2");
  machine.createNetns(node2.netns);
  await expect(built.add(node2)).rejects.toMatchObject({ code: "kernel.exists" });
  expect(machine.listNetns()).toContain(node2.netns);
});
