// scripts/kube netpol [FOCUS]: Kubernetes' own tests of NetworkPolicy on the cluster that stands, and a table of what came of each.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { file, program } from "./place.ts";
import { isRunning, say } from "./programs.ts";

interface Spec {
  readonly LeafNodeType: string;
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeText: string;
  readonly State:
    | "passed"
    | "failed"
    | "skipped"
    | "pending"
    | "timedout"
    | "interrupted"
    | "panicked"
    | "aborted";
  /** In ns. */
  readonly RunTime: number;
  readonly Failure?: { readonly Message: string };
}

/** Returns the table of the specs that ran, in Markdown. @param text Ginkgo's JSON report */
export function tableOf(text: string): { readonly lines: readonly string[]; readonly failed: number } {
  const [suite] = JSON.parse(text) as { SpecReports: Spec[] | null }[];
  const ran = (suite?.SpecReports ?? []).filter(
    ({ LeafNodeType, State }) => LeafNodeType === "It" && State !== "skipped" && State !== "pending",
  );
  const rows = ran
    .map(({ ContainerHierarchyTexts, LeafNodeText, State, RunTime }) => {
      const group = ContainerHierarchyTexts?.at(-1) ?? "";
      // Labels are part of the text, such as [Feature:NetworkPolicy], which all have.
      const text = LeafNodeText.replaceAll(/ \[Feature:\w+\]/g, "");
      return `| ${group}: ${text} | ${State} | ${Math.round(RunTime / 1e9)} |`;
    })
    .toSorted();
  return {
    lines: ["| spec | result | seconds |", "|---|---|---|", ...rows],
    failed: ran.filter(({ State }) => State !== "passed").length,
  };
}

function main(focus = "Netpol"): void {
  if (!isRunning("control-api")) {
    say("no cluster runs; scripts/kube up starts one");
    process.exitCode = 1;
    return;
  }
  const report = file("netpol");
  const json = path.join(report, "report.json");
  mkdirSync(report, { recursive: true });
  rmSync(json, { force: true });
  const words = [
    `--kubeconfig=${file("admin.kubeconfig")}`,
    "--provider=skeleton",
    "--node-os-distro=debian",
    `--ginkgo.focus=${focus}`,
    // Kernels may lack SCTP.
    "--ginkgo.skip=Feature:SCTP",
    "--ginkgo.timeout=8h",
    "--ginkgo.no-color",
    `--ginkgo.json-report=${json}`,
  ];
  // What it says on its way goes to standard error: the table is what is kept.
  const { status } = spawnSync(program("e2e.test"), words, { stdio: ["ignore", 2, 2] });
  if (!existsSync(json)) {
    say(`e2e.test ended with ${status} and has written no report`);
    process.exitCode = 1;
    return;
  }
  const { lines, failed } = tableOf(readFileSync(json, "utf8"));
  process.stdout.write(`${lines.join("\n")}\n`);
  process.exitCode = status === 0 && failed === 0 && lines.length > 2 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) main(process.argv[2]);
