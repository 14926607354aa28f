import type { KubeObject } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { rulesetOf } from "../../plan/foreign/index.ts";
import { cluster, host, policy, pool } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { explain, verdictOf } from "../explain.ts";
import { explanationText } from "../explain-text.ts";
import { ground } from "../ground/ground.suite.ts";
import type { Ground, Machine } from "../ground/ground.ts";
import { judgesOf } from "../judges/plans.ts";
import { parseEnd, parseTarget } from "../target.ts";

/** Links as a machine that was looked at has them. */
export const named: Ground = {
  ...ground,
  machines: ground.machines.map((machine) => ({
    ...machine,
    links: machine.links.map((link, at) => ({ ...link, name: `eth${at}` })),
  })),
};
export const from = (app: string) => ({ from: [{ podSelector: { matchLabels: { app } } }] });
export const isolated = (app: string, ...ingress: object[]) =>
  policy(`for-${app}`, { podSelector: { matchLabels: { app } }, policyTypes: ["Ingress"], ingress });
export const facts = (...more: readonly KubeObject[]) =>
  cluster(
    pool("pods", "10.1.0.0/16", false),
    host("gateway", "192.168.18.1", { role: "router", ports: [] }),
    host("choosy", "172.17.0.8"),
    ...more,
  );
export const iptables = (table: string, ...rules: string[]) => {
  const hooks = table === "filter" ? ["INPUT", "FORWARD", "OUTPUT"] : ["PREROUTING", "OUTPUT", "POSTROUTING"];
  const text = `*${table}\n${hooks.map((hook) => `:${hook} ACCEPT [0:0]\n`).join("")}${rules.join("\n")}\nCOMMIT\n`;
  return { store: "iptables-nft" as const, family: 4 as const, text };
};
export const rules = (...texts: ReturnType<typeof iptables>[]) =>
  rulesetOf({ iptables: texts, nft: [], unreadable: [] });

export interface Given {
  readonly of?: ClusterFacts;
  readonly n1?: ReturnType<typeof rules>;
  readonly n2?: ReturnType<typeof rules>;
  readonly gateway?: ReturnType<typeof rules>;
  readonly on?: Ground;
}

export const nothing = rules();
export const judgesFor = ({
  of = facts(),
  n1 = nothing,
  n2 = nothing,
  gateway = nothing,
  on = named,
}: Given) =>
  judgesOf(
    of,
    {
      rules: new Map([
        ["node/n1", n1],
        ["node/n2", n2],
        ["host/gateway", gateway],
      ]),
    },
    on,
  );

export function ask(sender: string, to: string, given: Given) {
  const { of = facts() } = given;
  const target = parseTarget(to);
  const ends = [findEnd(of, parseEnd(sender), "default"), findEnd(of, target.end, "default")] as const;
  const answer = explain(of, judgesFor({ ...given, of }), ...ends, target.port);
  return { ...answer, verdict: verdictOf(answer), text: explanationText(answer) };
}

export const masquerade = iptables("nat", "-A POSTROUTING -s 10.1.0.0/16 -o eth0 -j MASQUERADE");

/** The network with other routes of a machine. */
export const routed = (name: string, ...routes: Machine["routes"]): Ground => ({
  machines: named.machines.map((machine) =>
    machine.name === name ? { ...machine, routes: [...routes, ...machine.routes] } : machine,
  ),
});
