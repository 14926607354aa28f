// An answer about a Service for people.
import { headline, verdictLine } from "../explain-text.ts";
import type { EndpointAnswer, ServiceExplanation } from "./types.ts";

/** Returns an explanation as text: the answer in the first line, then the Service, and its endpoints one by one. */
export function serviceText(answer: ServiceExplanation): string {
  const { service, from, to, endpoints } = answer;
  const place = from.node === undefined ? "" : ` on ${from.node}`;
  const rows: [string, string][] = [
    ["address", `${from.of} has ${from.address}${place}: ${from.reason}`],
    ["service", `${to.of}${service.address === null ? "" : ` has ${service.address}`}: ${to.reason}`],
    ["", policiesOf(answer)],
    ...service.notes.map((note): [string, string] => ["note", note]),
    ...(answer.unknown ?? []).map((what): [string, string] => ["unknown", what]),
    ...endpoints.flatMap((endpoint, at) =>
      endpointRows(endpoint, endpoints.findIndex(({ answer: other }) => other === endpoint.answer) === at),
    ),
  ];
  if (!endpoints.some(({ chosen }) => chosen))
    rows.push(
      ["egress", verdictLine(answer.egress)],
      ...answer.route.map(({ at, to: next, by }): [string, string] => ["way", `${at} → ${next}: ${by}`]),
    );
  const name = service.portName === null ? "" : ` (${service.portName})`;
  const head = `${from.of} → ${to.of}, ${service.port}${name}: ${headline(answer)}`;
  return `${head}\n${rows.map(([title, text]) => `  ${title.padEnd(8)} ${text}`).join("\n")}\n`;
}

function policiesOf({ service }: ServiceExplanation): string {
  const { internalTrafficPolicy, externalTrafficPolicy, sessionAffinity } = service;
  const external = externalTrafficPolicy === null ? "" : `, externalTrafficPolicy ${externalTrafficPolicy}`;
  const by =
    service.by === "Headless"
      ? "no address is translated"
      : service.from === "rules"
        ? "the rules that the nodes have are followed"
        : "taken for what kube-proxy makes of the objects";
  return `internalTrafficPolicy ${internalTrafficPolicy}${external}, sessionAffinity ${sessionAffinity}; ${by}`;
}

/** @param isWhole with its way and what policies say: of many that come to the same, one shows how */
function endpointRows(endpoint: EndpointAnswer, isWhole: boolean): [string, string][] {
  const { name, address, port, node, chosen, why, explanation } = endpoint;
  const at = `${name} ${address.includes(":") ? `[${address}]` : address}:${port}${node === null ? "" : ` on ${node}`}`;
  if (!chosen || !explanation) return [["endpoint", `${at}: not chosen: ${why}`]];
  const source =
    explanation.sourceSeen === null ? "" : `, sees ${explanation.sourceSeen} (${explanation.snat.reason})`;
  const line = `${at}: ${headline(explanation)}${source}${why === undefined ? "" : `; ${why}`}`;
  if (!isWhole) return [["endpoint", line]];
  return [
    ["endpoint", line],
    ...explanation.route.map((hop): [string, string] => ["", `  way ${hop.at} → ${hop.to}: ${hop.by}`]),
    ["", `  egress ${verdictLine(explanation.egress)}`],
    ["", `  ingress ${verdictLine(explanation.ingress)}`],
  ];
}
