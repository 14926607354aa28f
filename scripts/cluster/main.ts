// scripts/kube up [bare]|env|down|start NAME. One cluster a machine; what it starts it knows by pid files, and ends again.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { kube, kubeSucceeds, startControlPlane } from "./control-plane.ts";
import { endContainers, endInside, removeGroups } from "./ends.ts";
import { makeImages } from "./images.ts";
import { makeNetwork, proxySettings, removeNetwork, startNode } from "./node.ts";
import { file, folder, nodes, programs, project } from "./place.ts";
import { end, isRunning, run, say, start, startAgain, until } from "./programs.ts";
import { fill } from "./registry.ts";

const [command, name = ""] = process.argv.slice(2);
if (command === "up") await up(name === "bare");
else if (command === "down") await down();
else if (command === "env") env();
else if (command === "start") startNamed();

function startNamed(): void {
  try {
    startAgain(name);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}

async function up(bare: boolean): Promise<void> {
  if (isRunning("control-api")) {
    say(`the cluster runs already (${folder}); scripts/kube down ends it`);
    return;
  }
  await down();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    await begin(bare);
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    say("what was started is left for a look; scripts/kube down ends it");
  }
}

/** Says how kube-proxies are set where kubeadm says it, for those who ask: `trunkline explain`. */
function proxyConfigMap(): object {
  const metadata = { name: "kube-proxy", namespace: "kube-system" };
  const data = { "config.conf": JSON.stringify(proxySettings) };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}

async function begin(bare: boolean): Promise<void> {
  makeNetwork();
  say("starting the control plane");
  await startControlPlane();
  fill([...makeImages(), ...(bare ? [] : [path.join(project, "dist/trunkline-image.tar")])]);
  start("control-registry", process.execPath, [path.join(import.meta.dirname, "registry.ts")]);
  say("starting the nodes");
  await Promise.all(nodes.map((node, at) => startNode(node, at)));
  kube(["apply", "--server-side", "-f", "-"], JSON.stringify(proxyConfigMap()));
  if (bare) {
    await until("the nodes are there", () => nodes.every((node) => kubeSucceeds(["get", "node", node])));
    say("three nodes wait for a network");
  } else {
    await install();
  }
  say('eval "$(scripts/kube env)" sets KUBECONFIG and puts kubectl into PATH');
}

async function install(): Promise<void> {
  say("applying the manifests");
  const manifests = run(path.join(project, "bin/trunkline"), ["manifests"]);
  kube(["apply", "--server-side", "-f", "-"], manifests);
  await until("the nodes are Ready", () =>
    nodes.every((node) => kubeSucceeds(["wait", "--for=condition=Ready", `node/${node}`, "--timeout=1s"])),
  );
  await until("the agents serve", () =>
    kubeSucceeds(["rollout", "status", "-n", "kube-system", "daemonset/trunkline-agent", "--timeout=1s"]),
  );
  await until("the controller serves", () =>
    kubeSucceeds([
      "rollout",
      "status",
      "-n",
      "kube-system",
      "deployment/trunkline-controller",
      "--timeout=1s",
    ]),
  );
  say("three nodes are Ready");
}

function env(): void {
  if (!isRunning("control-api")) {
    say("no cluster runs; scripts/kube up starts one");
    process.exitCode = 1;
    return;
  }
  process.stdout.write(`export KUBECONFIG=${file("admin.kubeconfig")}\nexport PATH=${programs}:$PATH\n`);
}

/** Kubelets first, so that nothing is started again; then what they started; then the rest. */
async function down(): Promise<void> {
  if (!existsSync(folder)) return;
  for (const node of nodes) await end(`${node}-kubelet`);
  endContainers();
  for (const node of nodes) for (const name of ["proxy", "containerd"]) await end(`${node}-${name}`);
  for (const node of nodes) endInside(node);
  for (const node of nodes) await end(`${node}-space`);
  await end("control-");
  removeGroups();
  removeNetwork();
  rmSync(folder, { recursive: true, force: true });
}
