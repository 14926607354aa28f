import type { Host } from "../../../../api/kinds/host.ts";
import type { Subnet } from "../../../../api/kinds/subnet.ts";
import { cidrCovers, tryParseCidr } from "../../../../base/ip.ts";
import { configTexts } from "../../node-configs.ts";
import type { Report, Rule } from "../../rule.ts";
import type { LintView } from "../../view.ts";
import type { Written } from "../../written.ts";

export const rangeNotAdmitted: Rule = {
  id: "TL040",
  name: "range-not-admitted",
  severity: "warning",
  summary: "a host admits a part of what pods of its clients may have as their address, and not the rest",
  explanation:
    "The next pod may have any address of its vSwitch, and of any vSwitch that its node's configuration lists for the zone or " +
    "its PodNetworking names: it works today, and is refused after the next start. `trunkline allowlist` prints what to admit.",
  *check(view) {
    const choices = choicesOf(view);
    for (const on of view.written) {
      if (!isHost(on)) continue;
      const admit = on.object.spec.admit;
      if (admit === undefined) continue;
      yield* partly(on, view, admit);
      yield* someOnly(on, view, admit, choices);
    }
  },
};

/** A list with a part of a vSwitch's range. */
function* partly(on: Written<Host>, view: LintView, admit: readonly string[]): Generator<Report> {
  for (const [at, text] of admit.entries())
    for (const subnet of view.facts.subnets.values()) {
      const { name } = subnet.metadata;
      const { cidr } = subnet.spec;
      const isPart = cidr !== text && covers(cidr, text) && !admit.some((one) => covers(one, cidr));
      if (isPart)
        yield {
          on,
          path: ["spec", "admit", at],
          message: `${text} is a part of vSwitch ${name}, whose pods may have any address of ${cidr}`,
          fix: `Admit ${cidr}, or hold fixed addresses for those pods (PodNetworking with allocationType Fixed).`,
        };
    }
}

/** A list that knows one of several vSwitches among which the provider's free addresses choose. */
function* someOnly(
  on: Written<Host>,
  view: LintView,
  admit: readonly string[],
  choices: readonly Choice[],
): Generator<Report> {
  for (const { who, ids } of choices) {
    const known = ids.flatMap((id) => view.facts.subnets.get(id) ?? []);
    const isIn = ({ spec }: Subnet) => admit.some((one) => covers(one, spec.cidr));
    const [inside, outside] = [known.filter(isIn), known.filter((subnet) => !isIn(subnet))];
    if (inside.length === 0 || outside.length === 0) continue;
    const text = ({ metadata, spec }: Subnet) => `${metadata.name} (${spec.cidr})`;
    yield {
      on,
      path: ["spec", "admit"],
      message: `it admits ${inside.map(text).join(", ")} and not ${outside.map(text).join(", ")}, which ${who} may have as well`,
      fix: `Admit ${outside.map(({ spec }) => spec.cidr).join(", ")}, too.`,
    };
  }
}

interface Choice {
  /** Whose addresses are of any of these. */
  readonly who: string;
  readonly ids: readonly string[];
}

function choicesOf(view: LintView): readonly Choice[] {
  const ofNodes = [...configTexts(view)].flatMap(({ key, zones }) =>
    [...zones].map(([zone, ids]) => ({ who: `pods of nodes of zone ${zone} by ConfigMap ${key}`, ids })),
  );
  const ofNetworks = [...view.facts.podNetworkings.values()].map(({ metadata, spec }) => ({
    who: `pods of podnetworking/${metadata.name}`,
    ids: spec.vSwitchOptions ?? [],
  }));
  return [...ofNodes, ...ofNetworks];
}

function isHost(item: Written): item is Written<Host> {
  return item.object.kind === "Host" && Reflect.has(item.object, "spec");
}

function covers(outer: string, inner: string): boolean {
  const [a, b] = [outer, inner].map((text) => tryParseCidr(text.includes("/") ? text : `${text}/32`));
  return a !== undefined && b !== undefined && cidrCovers(a, b);
}
