// Random walks over a table's desired state, for the model and for the real nft. Test only.
import fc from "fast-check";
import type { NftSet, NftTable } from "./document.ts";

/** One step: which kind of change, on what, with which variant. */
export interface Mutation {
  readonly kind: "chain" | "remove-chain" | "set" | "remove-set" | "element" | "remove-element" | "commit";
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(
      "chain",
      "remove-chain",
      "set",
      "remove-set",
      "element",
      "element",
      "element",
      "remove-element",
      "commit",
    ),
    a: fc.nat(3),
    b: fc.nat(3),
    c: fc.nat(3),
  }),
  { maxLength: 60 },
);

const definitions: readonly NftSet[] = [
  { key: ["ipv4_addr"], value: "verdict" },
  { key: ["ipv4_addr"], value: "verdict", interval: true },
  { key: ["ipv4_addr"], value: "verdict", counter: true, size: 64 },
  { key: ["ipv4_addr"] },
];

function isMap(table: NftTable, set: string): boolean {
  return table.set(set)?.value !== undefined;
}

function rulesOf(table: NftTable, chain: string): readonly string[] {
  return table.chain(chain)?.rules ?? [];
}

/** Applies one step; steps that would leave something pointing at nothing first take away what points. */
export function mutate(table: NftTable, { kind, a, b, c }: Mutation): void {
  const chain = `chain-${a}`;
  const set = `set-${b}`;
  switch (kind) {
    case "chain": {
      const rules = ["counter accept"];
      // Jumps go up in number only, so there are no loops.
      const target = `chain-${a + 1 + b}`;
      if (table.hasChain(target)) rules.unshift(`ip saddr 10.0.0.${c} jump ${target}`);
      if (table.hasSet(set)) {
        rules.unshift(isMap(table, set) ? `ip saddr vmap @${set}` : `ip saddr @${set} drop`);
      }
      const base = { type: "filter", hook: "forward", priority: c } as const;
      // Chain 0 hangs on the hook; maps may lead to the others only from there.
      if (a === 0) table.setChain(chain, { base, rules });
      else table.setChain(chain, { rules: rules.filter((rule) => !rule.includes("vmap")) });
      return;
    }
    case "remove-chain":
      dropReferences(table, chain);
      table.removeChain(chain);
      return;
    case "set": {
      const definition = definitions[c] ?? { key: ["ipv4_addr"] };
      const rules = table
        .chainNames()
        .filter((name) => rulesOf(table, name).some((rule) => rule.includes(`@${set}`)));
      const wasMap = table.hasSet(set) ? isMap(table, set) : undefined;
      table.setSet(set, definition);
      // A rule that used it as the other kind would no longer be valid.
      if (wasMap !== undefined && wasMap !== isMap(table, set))
        for (const name of rules) dropReferences(table, `@${set}`, name);
      return;
    }
    case "remove-set":
      dropReferences(table, `@${set}`);
      table.removeSet(set);
      return;
    case "element": {
      if (!table.hasSet(set)) return;
      const target = `chain-${c}`;
      const verdict = c > 0 && table.hasChain(target) ? `goto ${target}` : c % 2 === 0 ? "accept" : "drop";
      table.setElement(set, `192.0.2.${a * 4 + c}`, isMap(table, set) ? verdict : "");
      return;
    }
    case "remove-element":
      if (table.hasSet(set)) table.removeElement(set, `192.0.2.${a * 4 + c}`);
      return;
    case "commit":
      return;
  }
}

function dropReferences(table: NftTable, name: string, only?: string): void {
  const pattern = new RegExp(`(^| )${name}( |$)`);
  for (const chain of table.chainNames()) {
    if (only !== undefined && chain !== only) continue;
    const rules = rulesOf(table, chain);
    const kept = rules.filter((rule) => !pattern.test(rule));
    if (kept.length < rules.length) table.setChain(chain, { ...table.chain(chain), rules: kept });
  }
  for (const set of table.setNames())
    for (const [key, value] of table.elements(set)) if (pattern.test(value)) table.removeElement(set, key);
}
