// How the long-lived processes begin and end: told whose they are, private in what they write, and never kept from ending.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../src/kernel/index.ts";
import { Commands, executable } from "./trunkline.ts";

const trunkline = new Commands();
const machine = linuxMachine();
const netns = `tl-daemons-${process.pid}`;
const store = path.join(trunkline.folder, "store.db");
const sockets = {
  cni: path.join(trunkline.folder, "agent.sock"),
  health: path.join(trunkline.folder, "h.sock"),
};
const started: ChildProcess[] = [];

beforeAll(async () => {
  await trunkline.up("examples/first-light");
  machine.createNetns(netns);
});
afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await machine.removeNetns(netns);
  await trunkline.end();
});

/** Runs the executable in the test's namespace, by a shell that sets the umask. */
function start(umask: string, words: readonly string[]): ChildProcess {
  const shell = `umask ${umask}; exec "$@"`;
  const args = ["netns", "exec", netns, "sh", "-c", shell, "sh", executable, ...words];
  const env = { ...process.env, TRUNKLINE_LABS: path.join(trunkline.folder, "labs") };
  const child = spawn("ip", args, { env, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  return child;
}

function agentWords(state: string, ...more: string[]): string[] {
  const serving = ["--socket", sockets.cni, "--health-socket", sockets.health, "--health-port", "9999"];
  return ["agent", "--node", "n1", "--state", state, ...serving, ...more];
}

async function serves(socket: string): Promise<void> {
  for (;;) {
    const probe = connect(socket);
    try {
      await once(probe, "connect");
      probe.destroy();
      return;
    } catch {
      // Not there yet.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Files and folders below a folder that others than their owner may use. */
function openToOthers(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isSymbolicLink())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => (statSync(file).mode & 0o077) !== 0);
}

describe("a daemon that is not told whose it is", () => {
  it.each([
    ["agent", [], "say whose agent this is"],
    ["agent", ["--lab", trunkline.lab], "say with --netns"],
    ["agent", ["--store", `sqlite:${store}-mistyped`], "there is no store"],
    ["controller", [], "say whose controller this is"],
    ["controller", ["--store", `sqlite:${store}-mistyped`], "there is no store"],
  ])("%s %j changes nothing, though a lab runs", async (daemon, words, why) => {
    const kernel = machine.open({ name: netns });
    kernel.sysctl.set("net/ipv4/ip_forward", 0);
    const state = path.join(trunkline.folder, "never");
    const own = daemon === "agent" ? agentWords(state, ...words) : [daemon, ...words];
    const child = start("022", own);
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    expect({ code, said }).toMatchObject({ code: 2, said: expect.stringContaining(why) as string });
    expect(kernel.sysctl.get("net/ipv4/ip_forward")).toBe("0");
    expect([state, `${store}-mistyped`].filter(existsSync)).toEqual([]);
    kernel.close();
  });
});

describe("an agent of its own", () => {
  it.each(["000", "022", "377"])(
    "keeps its files to itself with umask %s, and ends though clients dally",
    async (umask) => {
      const state = path.join(trunkline.folder, `state-${umask}`);
      const apply = ["apply", "--store", `sqlite:${store}`, "-f", "-"];
      const { code } = await run("sh", ["-c", `umask ${umask}; exec "$@"`, "sh", executable, ...apply], {
        input: "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n",
        codes: "any",
      });
      expect(code).toBe(0);
      const child = start(umask, agentWords(state, "--store", `sqlite:${store}`));
      await Promise.all([serves(sockets.cni), serves(sockets.health)]);
      expect(openToOthers(state)).toEqual([]);
      for (const file of [store, sockets.cni, sockets.health])
        expect(statSync(file).mode & 0o777).toBe(0o600);
      // One byte each, and then nothing: as a client that hangs.
      const dallying = [sockets.cni, sockets.health].map((socket) => connect(socket));
      const kernel = machine.open({ name: netns });
      const tcp = kernel.sockets.connectTcp("127.0.0.1", 9999);
      for (const one of dallying) {
        one.on("error", () => {});
        await once(one, "connect");
        one.write("G");
      }
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
      kernel.sockets.close(tcp);
      kernel.close();
      for (const one of dallying) one.destroy();
    },
  );
});

describe("a lab in the foreground whose output nobody reads any more", () => {
  it.each(["", "2>&1 "])("ends in order (%s| head)", async (redirect) => {
    const name = `${trunkline.lab}p`;
    const line = `"$@" ${redirect}| head -n 1`;
    const env = { TRUNKLINE_LABS: path.join(trunkline.folder, "labs") };
    const words = ["lab", "up", "examples/first-light", "--name", name];
    const { stdout } = await run("sh", ["-c", line, "sh", executable, ...words], { env, timeoutMs: 60_000 });
    expect(stdout.trim().split("\n")).toHaveLength(1);
    const labs = JSON.parse((await trunkline.say("lab", "list", "-o", "json")).stdout) as {
      labs: { name: string }[];
    };
    expect(labs.labs.map((lab) => lab.name)).not.toContain(name);
    expect(machine.listNetns().filter((one) => one.includes(name))).toEqual([]);
  });
});
