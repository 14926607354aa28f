// trunkline doctor: this machine, the agents and the objects, each looked at; what is wrong, with the object it is about.
import { Command } from "commander";
import type { Diagnosis } from "../../../explain/doctor/diagnose.ts";
import { findLab, listLabs } from "../../../lab/life/state.ts";
import type { ClusterFacts } from "../../../plan/facts.ts";
import { type StoreOptions, storeOptions, withStore } from "../../context.ts";
import { answerOption } from "../../options.ts";
import { exit, print, printJson } from "../../output.ts";

interface Options extends StoreOptions {
  readonly output: "text" | "json";
}

export function command(): Command {
  return storeOptions(new Command("doctor"))
    .description("look at this machine, and at a lab's agents and objects; exit code 1 if something is wrong")
    .addOption(answerOption())
    .action((options: Options) => doctor(options));
}

async function doctor(options: Options): Promise<void> {
  const { checkMachine, kernelRelease } = await import("../../facts/machine-checks.ts");
  const looked = [`this machine (kernel ${kernelRelease()})`];
  const found: Diagnosis[] = await checkMachine();
  // Without any cluster the machine alone is worth a look; one that was named must be there.
  const isNamed = [options.lab, options.store, options.kubeconfig].some((name) => name !== undefined);
  if (isNamed || listLabs().some((lab) => lab.running)) {
    const cluster = await checkCluster(options);
    looked.push(...cluster.looked);
    found.push(...cluster.found);
  }
  const wrong = found.filter(({ severity }) => severity !== "note");
  if (options.output === "json") printJson({ ok: wrong.length === 0, looked, findings: found });
  else {
    for (const { severity, object, message, code } of found)
      print(`${severity.padEnd(7)} ${object}: ${message} [${code}]`);
    print(
      `${wrong.length === 0 ? "Nothing is wrong" : `${wrong.length} findings`}; looked at ${looked.join(", ")}`,
    );
  }
  if (wrong.length > 0) process.exitCode = exit.no;
}

/** Asks explain whether nodes' pods reach each other, as the lab's machines are now. */
async function checkWays(options: Options, facts: ClusterFacts): Promise<Diagnosis[]> {
  const { groundOf, lookAtMachines } = await import("../../facts/node-knowledge.ts");
  const { judgesOf } = await import("../../../explain/judges/plans.ts");
  const { wayFindings } = await import("../../../explain/doctor/ways.ts");
  const [known, ground] = await Promise.all([lookAtMachines(options), groundOf(options)]);
  return ground ? wayFindings(facts, judgesOf(facts, known, ground), ground) : [];
}

async function checkCluster(options: Options): Promise<{ looked: string[]; found: Diagnosis[] }> {
  const { diagnose } = await import("../../../explain/doctor/diagnose.ts");
  const { lastingFindings, readAddresses } = await import("../../ipam/data.ts");
  const { sessionFindings } = await import("../../../explain/doctor/sessions.ts");
  const { isNote } = await import("../../../plan/addressing/check.ts");
  const { facts } = await readAddresses(options);
  const looked = [`${facts.nodes.size} nodes, ${facts.pods.size} pods, ${facts.policies.size} policies`];
  const { collectServices } = await import("../../../plan/services.ts");
  const { serviceFindings } = await import("../../../explain/doctor/services.ts");
  const objects = await withStore(options, collectServices);
  const found = [...diagnose(facts), ...serviceFindings(facts, objects)];
  if (objects.services.size > 0) looked.push(`${objects.services.size} Services`);
  if (options.store === undefined && options.kubeconfig === undefined) {
    const { checkAgents } = await import("../../facts/agent-checks.ts");
    const agents = await checkAgents(options.lab);
    looked.push(`${agents.asked} agents`);
    found.push(...agents.found);
    const { checkProcesses } = await import("../../facts/process-checks.ts");
    found.push(...(await checkProcesses(options.lab)));
    const { unledHostPorts } = await import("../../../explain/doctor/diagnose.ts");
    if (findLab(options.lab).record.ground.hostPorts !== true) found.push(...unledHostPorts(facts));
    const { askRouting } = await import("../../facts/node-routing.ts");
    found.push(...sessionFindings(facts, await askRouting(options, facts.nodes.keys())));
    const { checkForeignRules } = await import("../../facts/foreign-checks.ts");
    found.push(...(await checkForeignRules(options.lab, facts)));
    found.push(...(await checkWays(options, facts)));
    looked.push("other programs' rules");
  } else found.push(...sessionFindings(facts, new Map()));
  const { findings } = await lastingFindings(options);
  looked.push("addresses");
  found.push(
    ...findings.map((finding) => ({
      code: `ipam.${finding.kind}`,
      severity: isNote(finding) ? ("note" as const) : ("error" as const),
      object: "Addresses",
      message: finding.message,
    })),
  );
  return { looked, found };
}
