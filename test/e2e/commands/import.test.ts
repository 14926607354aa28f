// trunkline import as people call it: forms, exit codes, and that `apply` takes what it prints. No lab and no root.
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { Commands } from "../trunkline.ts";

const commands = new Commands();
afterAll(() => commands.end());

const fixtures = "src/explain/import/fixtures";
const old = [
  "-f",
  path.join(fixtures, "calico-3.5-config.yaml"),
  "-f",
  path.join(fixtures, "calico-3.5-node.yaml"),
];
const current = ["-f", path.join(fixtures, "calico-current.yaml")];
const storeNamed = (name: string) => `sqlite:${path.join(commands.folder, `${name}.db`)}`;

const node = `apiVersion: v1
kind: Node
metadata: {name: node1, annotations: {projectcalico.org/IPv4Address: 192.168.18.11/24}}
`;

it.each([
  { name: "old", files: old, asNumber: 64_512 },
  { name: "current", files: current, asNumber: 64_600 },
])("prints objects of the $name manifests that apply takes", async ({ name, files, asNumber }) => {
  const said = await commands.say("import", ...files, "-o", "yaml");
  expect(said.code, said.stderr).toBe(0);
  const file = commands.file(`${name}.yaml`, said.stdout);
  const applied = await commands.say("apply", "--store", storeNamed(name), "-f", file);
  expect(applied.code, applied.stderr).toBe(0);
  const got = await commands.say("get", "bgpconfig", "default", "--store", storeNamed(name), "-o", "json");
  expect(JSON.parse(got.stdout)).toMatchObject({ spec: { asNumber } });
});

it("refuses a pool on the nodes' network, of the manifests and of the cluster that is named", async () => {
  const file = commands.file("node.yaml", node);
  const given = await commands.say("import", ...old, "-f", file, "-o", "json");
  expect(given.code).toBe(1);
  const store = storeNamed("nodes");
  expect((await commands.say("apply", "--store", store, "-f", file)).code).toBe(0);
  const stored = await commands.say("import", ...old, "--store", store, "-o", "json");
  expect(stored.code).toBe(1);
  for (const { stdout } of [given, stored]) {
    const { settings } = JSON.parse(stdout) as { settings: { name: string; verdict: string; why: string }[] };
    const range = settings.find(({ name }) => name === "CALICO_IPV4POOL_CIDR");
    expect(range).toMatchObject({ verdict: "refused" });
    expect(range?.why).toContain("192.168.18.0/24");
  }
  const table = await commands.say("import", ...old, "-f", file);
  expect(table.stdout).toMatch(/^SETTING +VALUE +VERDICT/);
  expect(table.stderr.match(/overlaps the network of node node1/g)).toHaveLength(1);
});

it("ends with 2 where there is nothing to read", async () => {
  expect((await commands.say("import", "-f", commands.file("alone.yaml", node))).code).toBe(2);
  expect((await commands.say("import", "-f", commands.file("broken.yaml", "a: ["))).code).toBe(2);
  expect((await commands.say("import", "-f", path.join(commands.folder, "none.yaml"))).code).toBe(2);
  expect((await commands.say("import")).code).toBe(2);
});
