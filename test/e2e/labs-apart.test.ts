// Labs that run at once, under names that could be taken for one another: none ever takes what is another one's.

import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../src/kernel/index.ts";
import { Commands, type Said } from "./trunkline.ts";

const trunkline = new Commands();
const other = new Commands();
const machine = linuxMachine();
/** Short, and nobody else's. */
const name = `x${process.pid}`;

function labFile(node: string, count = 2): string {
  const others = Array.from(
    { length: count - 1 },
    (_, at) => `{name: n${at + 2}, address: 192.168.18.${at + 12}}`,
  );
  return trunkline.file(
    `${node}.yaml`,
    `name: ${name}
networks: [{name: net, cidr: 192.168.18.0/24}]
nodes: [{name: ${node}, address: 192.168.18.11}, ${others.join(", ")}]
`,
  );
}

const up = (commands: Commands, lab: string, file: string): Promise<Said> =>
  commands.say("lab", "up", file, "-d", "--name", lab);
const pings = async (commands: Commands, lab: string, node: string): Promise<boolean> =>
  (await commands.say("probe", `node/${node}`, "node/n2", "--lab", lab)).code === 0;
const namespaces = (): string[] => machine.listNetns().filter((one) => one.includes(name));

beforeAll(async () => {
  expect(await up(trunkline, name, labFile("a-n1"))).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await trunkline.end();
  await other.end();
});

describe("two labs whose names and members could be read as one another's", () => {
  it("run side by side, and each ends alone", async () => {
    const second = `${name}-a`;
    expect(await up(trunkline, second, labFile("n1"))).toMatchObject({ code: 0 });
    expect(await pings(trunkline, name, "a-n1")).toBe(true);
    expect(await pings(trunkline, second, "n1")).toBe(true);
    expect(await trunkline.say("lab", "down", second)).toMatchObject({ code: 0 });
    expect(await pings(trunkline, name, "a-n1")).toBe(true);
  });
});

describe("a second lab of one name under another folder of state", () => {
  it("is refused and takes nothing of the first one's away", async () => {
    const before = namespaces();
    const said = await up(other, name, labFile("a-n1"));
    expect(said.code).not.toBe(0);
    expect(said.stderr).toContain("network namespaces with this lab's names already");
    expect(namespaces()).toEqual(before);
    expect(await pings(trunkline, name, "a-n1")).toBe(true);
    expect((await other.say("lab", "list")).stderr).toContain("there are no labs");
  });

  it("undoes only what it made where the first one's came a moment later than it looked", async () => {
    // As if it had looked before: its record says what it means to make, and its process was killed.
    const mine = trunkline.entryOf(name).record;
    const dead = { ...mine, mark: "lab of somebody else's", process: { ...mine.process, pid: 1 } };
    const folder = path.join(other.folder, "labs", name);
    await run("mkdir", ["-p", folder]);
    writeFileSync(path.join(folder, "lab.json"), JSON.stringify(dead));
    expect(await other.say("lab", "down", name)).toMatchObject({ code: 0 });
    expect(namespaces().length).toBeGreaterThan(0);
    expect(await pings(trunkline, name, "a-n1")).toBe(true);
  });
});

describe("a lab that was killed while it was made", () => {
  it("leaves nothing, also where a name has no namespace yet", async () => {
    const lab = `${name}k`;
    expect(await up(trunkline, lab, labFile("n1"))).toMatchObject({ code: 0 });
    const { record } = trunkline.entryOf(lab);
    process.kill(record.process.pid, "SIGKILL");
    const one = record.namespaces[0] ?? "";
    await machine.removeNetns(one);
    writeFileSync(path.join("/run/netns", one), "");
    expect(await trunkline.say("lab", "down", lab)).toMatchObject({ code: 0 });
    expect(namespaces().filter((each) => each.includes(lab))).toEqual([]);
  });
});

describe("a lab that is not ready in time", () => {
  /** So many nodes take a fast machine longer than that. */
  const MANY = 40;
  // Before it has said who it is, and while it is made.
  it.each([1, 400])("is ended, and does not come up later: waited for %d ms", async (patienceMs) => {
    const lab = `${name}late`;
    const words = ["late-lab.ts", "../../dist/trunkline.js", "FILE", lab, `${patienceMs}`].map((word) =>
      word === "FILE"
        ? labFile("n1", MANY)
        : word.includes(".")
          ? path.resolve(import.meta.dirname, word)
          : word,
    );
    const env = { TRUNKLINE_LABS: path.join(trunkline.folder, "labs") };
    const { stdout } = await run(process.execPath, words, { env, timeoutMs: 100_000 });
    expect(stdout).toBe("lab.late");
    expect(namespaces().filter((each) => each.includes(lab))).toEqual([]);
    const { stdout: processes } = await run("ps", ["-eo", "args"]);
    expect(processes.split("\n").filter((line) => line.includes(`--name ${lab}`))).toEqual([]);
    expect((await trunkline.say("lab", "list")).stdout).not.toContain(lab);
  });
});
