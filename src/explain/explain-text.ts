// An explanation for people.
import type { Explanation, ToldVerdict } from "./explain.ts";
import type { Outcome } from "./fate.ts";
import type { FlowTableUse } from "./flows.ts";
import type { Provenance } from "./provenance.ts";

/** Returns an explanation as text: the answer in the first line, then what decides each part. */
export function explanationText(answer: Explanation): string {
  const rows: [string, string][] = [
    ...addressRows(answer.from, "address"),
    ...addressRows(answer.to, ""),
    ...answer.route.map(({ at, to, via, by }, index): [string, string] => [
      index === 0 ? "way" : "",
      `${at} → ${to}${via === undefined ? "" : ` via ${via}`}: ${by}`,
    ]),
    ["source", `${answer.to.of} sees ${sourceText(answer)}: ${answer.snat.reason}${decider(answer)}`],
    ...(answer.unknown ?? []).map((what): [string, string] => ["unknown", what]),
    ["port", answer.listener],
    ["egress", verdictLine(answer.egress)],
    ["ingress", verdictLine(answer.ingress)],
    ...(answer.flowTables ?? []).map((use, at): [string, string] => [at === 0 ? "flow" : "", flowText(use)]),
    ...(answer.admission ? [["host", answer.admission.reason] as [string, string]] : []),
  ];
  const head = `${answer.from.of} → ${answer.to.of}, ${answer.port ?? "ICMP echo"}: ${headline(answer)}`;
  return `${head}\n${rows.map(([name, text]) => `  ${name.padEnd(8)} ${text}`).join("\n")}\n`;
}

function sourceText({ sourceSeen, unknown, snat }: Explanation): string {
  if (sourceSeen !== null) return sourceSeen;
  return unknown ? `perhaps ${snat.sourceSeen ?? "nothing"}` : "nothing";
}

/** Returns the answer in a few words. */
export function headline(answer: Explanation): string {
  const { allowed, reachable, expected, listener, reasons, to, port, unknown } = answer;
  if (unknown && unknown.length > 0) {
    const what =
      allowed === null
        ? "whether it is allowed"
        : reachable === true
          ? "the source that is seen"
          : "the answer";
    return `cannot tell: ${what} hangs on ${unknown[0]}${unknown.length > 1 ? `, and ${unknown.length - 1} more` : ""}`;
  }
  if (allowed === false) return `denied (${reasons[0]})`;
  if (reachable === true) return "allowed";
  if (reachable === null) return `allowed; whether it is answered cannot be told (${listener})`;
  const finding = expected === null ? "" : `: ${findings[expected]}`;
  return expected === "refused"
    ? `allowed, but nothing listens on ${port} of ${to.of}${finding}`
    : `allowed, but not reachable (${reasons[0]})${finding}`;
}

const findings: Readonly<Record<Outcome, string>> = {
  answered: "a probe is answered",
  refused: "a probe is refused",
  filtered: "a probe gets no answer",
  unreachable: "a probe is told that it is unreachable",
};

function flowText({ node, offloaded, reason }: FlowTableUse): string {
  return `${offloaded ? "offloaded" : "not offloaded"} on ${node}: ${reason}`;
}

function addressRows(
  { of, address, node, reason, chosen = [] }: Provenance,
  title: string,
): [string, string][] {
  const place = node === undefined ? "" : ` on ${node}`;
  return [
    [title, `${of} has ${address}${place}: ${reason}`],
    ...chosen.map(({ text }): [string, string] => ["", `  ${text}`]),
  ];
}

function decider({ snat }: Explanation): string {
  const row = snat.row === undefined ? "" : `row ${snat.rowNumber} (${snat.row}) of the precedence table`;
  const object =
    snat.object === undefined ? "" : `${snat.object}${snat.line === undefined ? "" : `, line ${snat.line}`}`;
  const said = [object, row].filter((text) => text !== "").join("; ");
  return said === "" ? "" : ` [${said}]`;
}

/** Returns what policies say of one direction. */
export function verdictLine({ allowed, reason }: ToldVerdict): string {
  if (allowed === null) return `cannot tell; if not otherwise ${reason}`;
  return `${allowed ? "allowed" : "denied"}: ${reason}`;
}
