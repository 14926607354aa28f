// nginx: an include of `allow` and `deny all`. The server's own check comes before the reload, and what it refuses goes again.
// A list holds once no worker of the configuration before takes connections.
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { TrunklineError, textOf } from "../base/errors.ts";
import { run } from "../kernel/exec/index.ts";
import { formed } from "./file.ts";
import { allowedPath, putBack, replaceFile, textIn } from "./files.ts";
import type { SinkMaker } from "./sink.ts";

const usualConfig = "/etc/nginx/nginx.conf";
const usualPid = "/run/nginx.pid";
const RELOAD_MS = 5000;
const LOOK_MS = 5;

export const nginxSink: SinkMaker<"nginx"> = ({ path, config }) => {
  /** What this process has seen in force. */
  let inForce: { readonly text: string; readonly master: number } | undefined;
  return async (list, { folders, netns }) => {
    const file = await allowedPath(path, folders);
    // Root reads it: it may load modules, and names files that are made.
    if (config !== undefined && config !== usualConfig) await allowedPath(config, folders);
    const text = formed(list, "nginx");
    const before = await textIn(file);
    const main = config ?? usualConfig;
    const args = config === undefined ? [] : ["-c", config];
    if (before === text && inForce?.text === text && inForce.master === (await masterOf(main).catch(() => 0)))
      return;
    if (before !== text) await replaceFile(file, text);
    try {
      await run("nginx", ["-t", "-q", ...args], { netns });
    } catch (error) {
      await putBack(file, before);
      throw new TrunklineError("sinks.refused", { what: "nginx", why: textOf(error) });
    }
    const master = await masterOf(main);
    const old = await workersOf(master);
    process.kill(master, "SIGHUP");
    await ended(master, old);
    inForce = { text, master };
  };
};

/** Returns the process id of the server with that configuration. @throws `sinks.not-running` */
async function masterOf(config: string): Promise<number> {
  const text = ((await textIn(config)) ?? "").replaceAll(/#.*$/gm, "");
  const file = /(?:^|[;}\s])pid\s+([^\s;]+)\s*;/.exec(text)?.[1] ?? usualPid;
  const pid = Number(((await textIn(file)) ?? "").trim());
  const title = Number.isInteger(pid) && pid > 1 ? await titleOf(pid) : undefined;
  // A number of a process that has died may be another program's by now.
  if (!title?.startsWith("nginx: master process"))
    throw new TrunklineError("sinks.not-running", {
      what: "nginx",
      why: `${file} names no nginx; the list is in its file`,
    });
  return pid;
}

/** @throws `sinks.refused` where some of them go on for too long */
async function ended(master: number, old: readonly number[]): Promise<void> {
  for (let left = RELOAD_MS / LOOK_MS; left > 0; left--) {
    const [titles, now] = await Promise.all([Promise.all(old.map(titleOf)), workersOf(master)]);
    const take = titles.filter((title) => title !== undefined && !title.includes("shutting down"));
    if (take.length === 0 && now.some((pid) => !old.includes(pid))) return;
    await pause(LOOK_MS);
  }
  const why = "its workers do not take the new configuration; its error log says why";
  throw new TrunklineError("sinks.refused", { what: "nginx", why });
}

async function workersOf(master: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${master}/task`).catch(() => []);
  const texts = await Promise.all(
    tasks.map((task) => readFile(`/proc/${master}/task/${task}/children`, "utf8").catch(() => "")),
  );
  const pids = texts
    .join(" ")
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(Number);
  const titles = await Promise.all(pids.map(titleOf));
  return pids.filter((_pid, at) => titles[at]?.startsWith("nginx: worker process") === true);
}

async function titleOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text === "" ? undefined : text.replaceAll("\0", " ");
}
