// What a running cluster refuses: every mistake named with its place, exit code 2, and nothing applied.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Commands, executable, type Said } from "../trunkline.ts";

const trunkline = new Commands();
beforeAll(() => trunkline.up("examples/first-light"));
afterAll(() => trunkline.end());

const { file } = trunkline;

const apply = (...files: string[]): Promise<Said> =>
  trunkline.say("apply", ...files.flatMap((one) => ["-f", one]), "--lab", trunkline.lab);

const pool = (name: string, cidr: string) =>
  `apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {cidr: ${cidr}}\n`;

const good = "apiVersion: v1\nkind: Namespace\nmetadata: {name: never}\n";

describe("broken manifests", () => {
  it.each([
    ["no space", "apiVersion:v1\nkind: Pod\nmetadata:\n  name: a\n", "6:12: a space is missing"],
    [
      "duplicate key",
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  name: b\n",
      "10:3: the key 'name'",
    ],
    ["schema", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: 7}\n", "9:20: "],
    ["kind", "apiVersion: v9\nkind: Unknown\nmetadata: {name: a}\n", "7:7: Unknown (v9)"],
  ])("%s: nothing of the documents and files beside it is applied either", async (name, text, where) => {
    const broken = file(`${name}.yaml`, `---\n${good}---\n${text}`);
    const beside = file("beside.yaml", pool("never", "10.9.0.0/16"));
    const said = await apply(beside, broken);
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect(said.stderr).toContain(`${broken}:${where}`);
    const names = await trunkline.ask("get", "ns,ippools", "-o", "name");
    expect(names).not.toContain("never");
  });
});

describe("pools that overlap", () => {
  it.each([
    ["10.1.128.0/17", "pool first 10.1.0.0/16"],
    ["10.0.0.0/8", "pool first 10.1.0.0/16"],
    ["192.168.0.0/16", "192.168.18.0/24"],
    ["192.168.18.128/26", "192.168.18.0/24"],
    ["169.254.0.0/16", "169.254.0.0/16"],
    ["169.254.128.0/20", "169.254.0.0/16"],
    ["224.0.0.0/4", "224.0.0.0/4"],
    ["239.1.0.0/16", "224.0.0.0/4"],
    ["fe80::/64", "fe80::/10"],
  ])("%s is refused with both ranges named", async (cidr, other) => {
    expect(await apply(file("first.yaml", pool("first", "10.1.0.0/16")))).toMatchObject({ code: 0 });
    const second = file("second.yaml", pool("second", `"${cidr}"`));
    const said = await apply(second);
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect(said.stderr).toContain(`${second}:4:14: `);
    expect(said.stderr).toMatch(new RegExp(`pool second ${cidr} overlaps .*${other}`));
    expect(await trunkline.ask("get", "ippools", "-o", "name")).not.toContain("second");
  });

  it("two of one file are refused together", async () => {
    const both = file("both.yaml", `${pool("left", "10.20.0.0/16")}---\n${pool("right", "10.20.64.0/18")}`);
    const said = await apply(both);
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect(said.stderr).toMatch(
      /10\.20\.64\.0\/18 overlaps .*10\.20\.0\.0\/16|10\.20\.0\.0\/16 overlaps .*10\.20\.64\.0\/18/,
    );
    expect(await trunkline.ask("get", "ippools", "-o", "name")).not.toMatch(/left|right/);
  });
});

describe("wrong use", () => {
  it.each([
    ["probe", "pod/nobody", "node/node1"],
    ["probe", "node/node1", "node/node2:99999"],
    ["probe", "node/node1"],
    ["explain", "pod/nobody", "node/node1"],
    ["get", "podz"],
    ["get", "pods", "-o", "prose"],
    ["scale", "rc/x", "--replicas", "-1"],
    ["wait", "--for", "luck", "pod/x"],
    ["lab", "exec", "nobody", "--", "true"],
    ["lab", "up", "examples/none", "-d"],
    ["lab", "sideways"],
  ])("%s %s %s ends with 2 and says why", async (...words) => {
    const end = words.includes("--") ? words.indexOf("--") : words.length;
    const chosen = words[0] === "lab" && words[1] !== "exec" ? [] : ["--lab", trunkline.lab];
    const said = await trunkline.say(...words.slice(0, end), ...chosen, ...words.slice(end));
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect(said.stderr.length).toBeGreaterThan(10);
    expect(said.stderr).not.toMatch(/ at .*\.(ts|js):\d+/);
  });

  it("a lab that runs is not started twice, and one that does not run cannot be asked", async () => {
    const again = await trunkline.say("lab", "up", "examples/first-light", "-d", "--name", trunkline.lab);
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toContain("runs already");
    expect(await trunkline.say("get", "pods", "--lab", "none")).toMatchObject({ code: 2 });
    expect(await trunkline.say("lab", "down", "none")).toMatchObject({ code: 2 });
    expect(await trunkline.say("get", "rc", "none", "--lab", trunkline.lab)).toMatchObject({ code: 1 });
  });
});

describe("a watch", () => {
  const other = new Commands();
  afterAll(() => other.end());

  it("ends when its lab does, and says so", async () => {
    await other.up("examples/first-light");
    const env = { ...process.env, TRUNKLINE_LABS: path.join(other.folder, "labs") };
    const watching = spawn(executable, ["get", "nodes", "--watch", "--lab", other.lab], { env });
    const [ended, stderr] = [once(watching, "close"), text(watching.stderr)];
    // It watches from its first line on.
    await once(watching.stdout, "data");
    expect(await other.say("lab", "down", other.lab)).toMatchObject({ code: 0 });
    expect(await ended).toEqual([2, null]);
    expect(await stderr).toContain(other.lab);
  });
});

describe("words that a command finds wanting when it runs", () => {
  it.each([
    [["lab", "clock", "advance", "foo"], "'foo' is no time to come"],
    [["lab", "provider", "fault", "half"], "say which CALL"],
    [["lab", "provider", "fault", "*", "half", "--times", "0"], "from 1 on"],
    [["lab", "provider", "fault", "*", "half"], "has no provider of subnets"],
  ])("%j", async (words, why) => {
    const said = await trunkline.say(...words, "--lab", trunkline.lab);
    expect(said).toMatchObject({ code: 2, stdout: "" });
    expect(said.stderr).toContain(why);
  });
});
