// An explanation in the order in which a packet meets what decides it, with the step that the answer hangs on marked. Pure.
import { type Explanation, type ToldVerdict, verdictOf } from "../../explain/explain.ts";
import type { Provenance } from "../../explain/provenance.ts";
import type { Step, Verdict } from "../api.ts";

/** Returns the steps; one of them decides, or some where that cannot be told. */
export function stepsOf(answer: Explanation): readonly Step[] {
  const steps: Omit<Step, "decides">[] = [
    addressStep(answer),
    policyStep("egress", `May ${answer.from.of} send it`, answer.egress),
    sourceStep(answer),
    {
      stage: "way",
      title: "Which way it takes",
      text: answer.route.map(
        ({ at, to, via, by }) => `${at} → ${to}${via === undefined ? "" : ` via ${via}`}: ${by}`,
      ),
      objects: [],
    },
    policyStep("ingress", `May ${answer.to.of} take it`, answer.ingress),
    ...(answer.admission
      ? [
          {
            stage: "host" as const,
            title: `Does ${answer.to.of} admit that source`,
            verdict: word(answer.admission.allowed),
            text: [answer.admission.reason],
            objects: [`Host ${answer.to.of.replace(/^host\//, "")}`],
          },
        ]
      : []),
    {
      stage: "port",
      title: answer.port === null ? "Who answers the echo" : `Who listens on ${answer.port}`,
      ...(answer.allowed !== false && { verdict: portVerdict(answer) }),
      text: [answer.listener],
      objects: [],
    },
    ...(answer.unknown ?? []).map((text) => ({
      stage: "unknown" as const,
      title: "What is not known",
      verdict: "unknown" as const,
      text: [text],
      objects: [],
    })),
  ];
  const decides = deciding(answer, steps);
  return steps.map((step) => ({ ...step, decides: decides.has(step) }));
}

/** A sure no is the first one's that refuses; a yes is that of the objects that let it in; else what is not known. */
function deciding(
  answer: Explanation,
  steps: readonly Omit<Step, "decides">[],
): ReadonlySet<Omit<Step, "decides">> {
  const verdict = verdictOf(answer);
  if (verdict === "unknown") return new Set(steps.filter(({ stage }) => stage === "unknown"));
  if (verdict === "no") {
    const first = steps.find((step) => step.verdict === "no") ?? steps.find(({ stage }) => stage === "way");
    return new Set(first ? [first] : []);
  }
  const granted = steps.filter((step) => step.verdict === "yes" && step.objects.length > 0);
  return new Set(granted.length > 0 ? granted : steps.filter(({ stage }) => stage === "port"));
}

function addressStep({ from, address }: Explanation): Omit<Step, "decides"> {
  const { chosen = [] } = from;
  const decidedBy = address === null ? [] : [address.object.replace("/", " ")];
  return {
    stage: "address",
    title: `${from.of} has ${from.address}`,
    text: [from.reason, ...chosen.map(({ text }) => text)],
    objects: [...new Set([...placeOf(from), ...decidedBy])],
  };
}

function placeOf({ pool, vSwitch }: Provenance): string[] {
  return [
    ...(pool === undefined ? [] : [`IPPool ${pool}`]),
    ...(vSwitch === undefined ? [] : [`Subnet ${vSwitch}`]),
  ];
}

function policyStep(
  stage: "egress" | "ingress",
  title: string,
  { allowed, policy, rule, isolatedBy = [], groups = [], reason }: ToldVerdict,
): Omit<Step, "decides"> {
  const deciding = policy === undefined ? isolatedBy : [`${policy}${rule === undefined ? "" : `: ${rule}`}`];
  return {
    stage,
    title,
    verdict: word(allowed),
    text: [reason],
    objects: [
      ...deciding.map((name) => `NetworkPolicy ${name}`),
      ...groups.map((name) => `SecurityGroup ${name}`),
    ],
  };
}

function sourceStep({ to, sourceSeen, snat, unknown }: Explanation): Omit<Step, "decides"> {
  const seen = sourceSeen ?? (unknown ? `perhaps ${snat.sourceSeen ?? "nothing"}` : "nothing");
  const { object, line, path } = snat;
  const place = line === undefined ? (path === undefined ? "" : `: ${path}`) : `, line ${line}`;
  return {
    stage: "source",
    title: `${to.of} sees ${seen}`,
    ...(snat.action === "Drop" && { verdict: "no" as const }),
    text: [
      snat.reason,
      ...(snat.rowNumber === undefined
        ? []
        : [`row ${snat.rowNumber} of the precedence table (${snat.row})`]),
    ],
    objects: object === undefined ? [] : [`${object.replace("/", " ")}${place}`],
  };
}

function portVerdict({ reachable, unknown }: Explanation): Verdict {
  return reachable === null || unknown !== undefined ? "unknown" : word(reachable);
}

function word(allowed: boolean | null): Verdict {
  return allowed === null ? "unknown" : allowed ? "yes" : "no";
}
