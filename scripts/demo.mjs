// The first scenario, end to end, with the commands that a person would type. Each step prints the command, what it
// answered, and what that shows; the last one compares what `explain` had said with what the database really saw.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const trunkline = path.join(root, "bin/trunkline");
const lab = `demo-${process.pid}`;
const started = Date.now();

function run(args, options = {}) {
  const result = spawnSync(trunkline, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    ...options,
  });
  if (result.error) throw result.error;
  return { status: result.status ?? 1, text: result.stdout };
}

/** Runs and shows one command; ends the demo where it fails. */
function show(title, args) {
  console.log(`\n# ${title}\n$ trunkline ${args.join(" ")}`);
  const { status, text } = run([...args, "--lab", lab]);
  process.stdout.write(text);
  if (status !== 0) throw new Error(`'trunkline ${args.join(" ")}' ended with ${status}`);
  return text;
}

const answer = (args) => JSON.parse(run([...args, "-o", "json", "--lab", lab]).text);

let failed = false;
try {
  console.log("# A cluster on this machine: three nodes on 192.168.18.0/24, each a network namespace");
  console.log(`$ trunkline lab up examples/first-light -d --name ${lab}`);
  const up = run(["lab", "up", "examples/first-light", "-d", "--name", lab]);
  process.stdout.write(up.text);
  if (up.status !== 0) throw new Error("the lab did not start");

  show("One pool cut into /26 blocks, one mysql and two myweb", [
    "apply",
    "-f",
    "examples/first-light/workloads.yaml",
  ]);
  show("All pods get their network from the CNI plugin", [
    "wait",
    "--for",
    "ready",
    "--all",
    "--timeout",
    "60s",
  ]);
  show("Each node hands out addresses of blocks of its own", ["get", "pods", "-A", "-o", "wide"]);
  show("Who holds which block", ["ipam", "show"]);
  show("A route on every node for every other node's blocks", ["route", "show"]);

  // Ask for a client on another node than the database, so that the packet crosses the network.
  const pods = answer(["get", "pods", "-A"]).items;
  const mysql = pods.find((pod) => pod.metadata.name.startsWith("mysql-"));
  const myweb = pods.find(
    (pod) => pod.metadata.name.startsWith("myweb-") && pod.spec.nodeName !== mysql.spec.nodeName,
  );
  const from = `pod/${myweb.metadata.name}`;
  const to = `pod/${mysql.metadata.name}:3306`;
  show("What will the database see? The answer from the plans", ["explain", from, to]);
  show("And with real packets", ["probe", from, to]);
  show("Every pod to every pod and host", ["probe", "--all", "-A"]);

  const said = answer(["explain", from, to]);
  const seen = answer(["probe", from, to]);
  console.log(
    `\nexplain said: mysql on ${mysql.spec.nodeName} sees ${said.sourceSeen}, allowed ${said.allowed}`,
  );
  console.log(`mysql saw:    ${seen.sourceSeen}, reachable ${seen.reachable}`);
  if (said.sourceSeen !== seen.sourceSeen || said.allowed !== seen.reachable) throw new Error("they differ");
  const blocks = new Set(answer(["get", "addressblocks"]).items.map((block) => block.spec.cidr));
  console.log(`They agree. ${pods.length} pods out of ${blocks.size} blocks: ${[...blocks].join(", ")}.`);
} catch (error) {
  failed = true;
  console.error(`demo: ${error.message}`);
} finally {
  const down = run(["lab", "down", lab]);
  process.stdout.write(down.text);
  if (down.status !== 0) failed = true;
}
console.log(
  `\n${failed ? "The demo FAILED" : "Done"} after ${((Date.now() - started) / 1000).toFixed(1)} s.`,
);
if (!failed) console.log("Next: README.md, 'Try it by hand'.");
process.exitCode = failed ? 1 : 0;
