// What rules drawn for a random lab are made of: the tools that read them, and what they may ask for.
import type { Dice } from "../dice.ts";
import type { Meddling, Scenery } from "../rules.ts";

/** Something that is done to one machine; the scenery's parts and the dice make it up. */
export type Kind = (dice: Dice, scenery: Scenery) => readonly Doing[];
export type Doing = Omit<Meddling, "member">;

export const pods = "10.1.0.0/16";
export const pods6 = "fd00:1::/64";
/** A service's address, which nobody has: everybody asks for it. */
export const service = "10.96.0.1";

/** @param tables `nat|-A …|-A …`: a table and lines of it */
export function iptables(...tables: readonly string[]): Doing {
  return restore("iptables-nft-restore", tables);
}

export function ip6tables(...tables: readonly string[]): Doing {
  return restore("ip6tables-nft-restore", tables);
}

export function legacy(...tables: readonly string[]): Doing {
  return restore("iptables-legacy-restore", tables);
}

function restore(tool: string, tables: readonly string[]): Doing {
  const text = tables.map((one) => `*${one.split("|").join("\n")}\nCOMMIT\n`).join("");
  return { command: [tool, "--noflush"], input: text };
}

export function nft(table: string, ...parts: readonly string[]): Doing {
  return { command: ["nft", "-f", "-"], input: `table ${table} {\n${parts.join("\n")}\n}\n` };
}

/** A filter's base chain with these rules. */
export function filter(hook: string, priority: number | string, rules: string, policy = "accept"): string {
  return `chain at_${hook} { type filter hook ${hook} priority ${priority}; policy ${policy};\n${rules}\n}`;
}

/** A nat chain. */
export function nat(hook: string, rules: string): string {
  const priority = hook === "postrouting" || hook === "input" ? 100 : -100;
  return `chain nat_${hook} { type nat hook ${hook} priority ${priority};\n${rules}\n}`;
}

export function sysctl(key: string, value: string | number): Doing {
  return { command: ["sysctl", "-q", "-w", `${key}=${value}`] };
}

export const hookOf = (dice: Dice) => dice.one(["input", "forward", "output", "prerouting", "postrouting"]);
export const portOf = (dice: Dice) => dice.one([80, 80, 81, 22, 10250, 9]);
export const protocolOf = (dice: Dice) => dice.one(["tcp", "tcp", "udp", "sctp"]);

/** A network, a range of pods, or one machine or pod. */
export function rangeOf(dice: Dice, { nets, pods: some, nodeAddresses }: Scenery): string {
  return dice.one([...nets, pods, "10.1.0.0/17", dice.one(some), dice.one(nodeAddresses), service]);
}

export function range6Of(dice: Dice, { nets6, pods6: some }: Scenery): string {
  return dice.one([...nets6, pods6, ...some.slice(0, 2)]);
}
