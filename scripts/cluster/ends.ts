// How a cluster ends: containers are known by their cgroups, what runs beside them by the node's mount namespace. Only what
// is in them is ended.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cgroups, controllers, isUnified } from "./node.ts";
import { file, groups } from "./place.ts";
import { isRunning, pidOf, run, succeeds } from "./programs.ts";

/** Calls `work` with the folder of the nodes' groups in each hierarchy; they may not be mounted where this runs. */
export function withGroups(work: (folder: string) => void): void {
  for (const name of isUnified() ? [""] : controllers()) {
    const mounted = `${cgroups}/${name}`;
    if (existsSync(`${mounted}/${groups}`)) {
      work(`${mounted}/${groups}`);
      continue;
    }
    if (existsSync(`${mounted}/cgroup.procs`)) continue;
    const at = file("cgroup");
    mkdirSync(at, { recursive: true });
    const option = name === "systemd" ? "none,name=systemd" : name;
    const words = name === "" ? ["-t", "cgroup2", "cgroup2"] : ["-t", "cgroup", "-o", option, "cgroup"];
    if (!succeeds("mount", [...words, at])) continue;
    try {
      if (existsSync(`${at}/${groups}`)) work(`${at}/${groups}`);
    } finally {
      run("umount", [at]);
    }
  }
}

/** Groups go while they are looked at: a container that ends takes its own along. */
function ifThere<T>(look: () => readonly T[]): readonly T[] {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENODEV") return [];
    throw error;
  }
}

function below(folder: string): string[] {
  const inner = ifThere(() => readdirSync(folder, { withFileTypes: true })).filter((entry) =>
    entry.isDirectory(),
  );
  return [...inner.flatMap(({ name }) => below(`${folder}/${name}`)), folder];
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** Ends every process of a container. */
export function endContainers(): void {
  withGroups((folder) => {
    for (const group of below(folder))
      for (const pid of ifThere(() =>
        readFileSync(`${group}/cgroup.procs`, "utf8").split("\n").filter(Boolean),
      ))
        kill(Number(pid));
  });
}

/** Ends what is left in a node's mount namespace but the process that keeps it: containerd's shims. */
export function endInside(node: string): void {
  if (!isRunning(`${node}-space`)) return;
  const keeper = pidOf(`${node}-space`);
  const namespaceOf = (pid: number | string) => {
    try {
      return readlinkSync(`/proc/${pid}/ns/mnt`);
    } catch {
      // Gone.
      return "";
    }
  };
  const own = namespaceOf(keeper);
  for (const name of readdirSync("/proc"))
    if (/^\d+$/.test(name) && Number(name) !== keeper && namespaceOf(name) === own) kill(Number(name));
}

/** Removes the groups that pods were in, deepest first. */
export function removeGroups(): void {
  withGroups((folder) => {
    for (const group of below(folder)) succeeds("rmdir", [group]);
  });
}
