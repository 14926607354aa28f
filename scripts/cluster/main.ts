// scripts/kube up [bare]|env|down|start NAME. One cluster a machine; what it starts it knows by pid files, and ends again.
import path from "node:path";
import { begin, down, install } from "./life.ts";
import { file, folder, programs, project } from "./place.ts";
import { isRunning, run, say, startAgain } from "./programs.ts";

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
  try {
    await begin({ withImage: !bare });
    if (bare) {
      say("three nodes wait for a network");
    } else {
      await install(run(path.join(project, "bin/trunkline"), ["manifests"]));
      say("three nodes are Ready");
    }
    say('eval "$(scripts/kube env)" sets KUBECONFIG and puts kubectl into PATH');
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    say("what was started is left for a look; scripts/kube down ends it");
  }
}

function env(): void {
  if (!isRunning("control-api")) {
    say("no cluster runs; scripts/kube up starts one");
    process.exitCode = 1;
    return;
  }
  process.stdout.write(`export KUBECONFIG=${file("admin.kubeconfig")}\nexport PATH=${programs}:$PATH\n`);
}
