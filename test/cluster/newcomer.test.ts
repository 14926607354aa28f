// README's section "On your cluster", to the letter, from a fresh clone, on nodes that have no network.
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "../../src/kernel/exec/index.ts";
import { kubeFolder } from "../kube/api-server.ts";
import { Cluster, nodes, project, succeeded } from "./cluster.ts";
import { deploymentOf } from "./pods.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.up("bare");
}, 3_600_000);
afterAll(async () => {
  if (cluster !== undefined) expect(await cluster.down()).toEqual([]);
}, 1_200_000);

/** The section's commands, without what is said about them. */
function commands(readme: string): string[] {
  const [, block = ""] = /## On your cluster\n[^`]*```\n([^`]*)```/.exec(readme) ?? [];
  return block
    .trim()
    .split("\n")
    .map((line) => line.replace(/ +#.*/, ""));
}

it("five commands make pods run", async () => {
  const clone = path.join(cluster.state, "clone");
  const home = path.join(cluster.state, "home");
  mkdirSync(path.join(home, ".kube"), { recursive: true });
  symlinkSync(cluster.kubeconfig, path.join(home, ".kube/config"));
  succeeded("git clone", await cluster.run("git", ["clone", "-q", project, clone]));
  const lines = commands(readFileSync(path.join(clone, "README.md"), "utf8"));
  expect(lines).toHaveLength(5);
  const PATH = [path.join(clone, "bin"), kubeFolder(), process.env["PATH"]].join(":");
  /** Types a line as it stands, with pipes and ~. */
  const typed = (line: string, ...into: string[]) => {
    const shell = ["env", `--chdir=${clone}`, "bash", "-o", "pipefail", "-c", line];
    return cluster.run("env", [`PATH=${PATH}`, `HOME=${home}`, ...into, ...shell], "", 1_800_000);
  };
  let last = "";
  for (const line of lines)
    if (line.startsWith("npm ")) {
      // With the machine's network and npm's settings: packages come from its registry.
      const [command = "", ...words] = line.split(" ");
      await run(command, words, { cwd: clone, timeoutMs: 1_800_000 });
    } else if (line.startsWith("ctr ")) {
      for (const node of nodes) {
        const target = `--target=${cluster.pidOf(`${node}-space`)}`;
        succeeded(line, await typed(line, "nsenter", target, "--mount", "--net"));
      }
    } else {
      last = succeeded(line, await typed(line));
    }
  expect(last).toMatch(/trunkline-agent-\w+ +1\/1 +Running/);
  await cluster.apply(JSON.stringify(deploymentOf("first", 3)));
  const pods = await cluster.readyPods("default", "app=first", 3);
  expect(pods.map(({ status }) => status.podIP ?? "")).toEqual(
    pods.map(() => expect.stringMatching(/^10\.1\./)),
  );
}, 3_600_000);
