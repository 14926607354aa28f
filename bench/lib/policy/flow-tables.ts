// Packets of established TCP through a flow table, beside connection tracking alone on the same path, in the virtual machine,
// whose kernel has flow tables. There a processor is emulated: what is compared is how much work a byte is, at both ends and
// between. Slices take turns, as the machine's other work changes from second to second: on a busy one the middle half says how
// little the median is worth. Few policies, as an open connection's packets pass the same rules however many there are.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "../../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../../src/kernel/index.ts";
import { clearText, wholeText } from "../../../src/plan/flow/table.ts";
import { compiled } from "../compiled.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";
import { ipOf, linkOf, makePathCluster } from "./cluster.ts";
import { enforce } from "./enforce.ts";

const PAIRS = rounds(24, 8);
const POLICIES = 10;
const LEAST = 1.2;
const PATIENCE_MS = 900_000;
const top = path.resolve(import.meta.dirname, "../../..");
const ways = {
  ask: "a byte and its answer, one after the other, on an established TCP connection",
  send: "a stream of an established TCP connection",
} as const;

/** @throws Error where the virtual machine or a part of it fails */
export async function flowTableRows(): Promise<Row[]> {
  // The machine sees this checkout, and of what else there is what is there when it starts.
  const folder = mkdtempSync(path.join(top, ".cache/flow-tables-"));
  try {
    await writeRules(folder);
    const pods = [0, 1].flatMap((at) => [linkOf(at), ipOf(at)]);
    const script = ["bash", "bench/lib/policy/flow-tables.sh", folder, compiled("talk"), `${PAIRS}`, ...pods];
    const { code, stdout, stderr } = await run("bash", ["scripts/vm/run.sh", ...script], {
      cwd: top,
      codes: "any",
      timeoutMs: PATIENCE_MS,
    });
    if (code !== 0) throw new Error(`the virtual machine ended with ${code}: ${stderr.trim()}`);
    const pairs = stdout.trim().split("\n");
    return (["ask", "send"] as const).map((way) => rowOf(way, pairs));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Renders the policies' table in a namespace of this machine, and the steps from one to the other. */
async function writeRules(folder: string): Promise<void> {
  const machine = linuxMachine();
  machine.createNetns("flow-tables");
  const kernel = machine.open({ name: "flow-tables" });
  try {
    await enforce(kernel, makePathCluster(POLICIES, false));
    const policies = await kernel.nft.text("list table inet trunkline");
    const tracking =
      "table inet tracking {\n chain f {\n type filter hook forward priority 0\n ct state established,related accept\n }\n}\n";
    const asleep = (table: string) => `add table inet ${table} { flags dormant; }\n`;
    const wires = [0, 1].map((at) => ({ link: linkOf(at), ips: [ipOf(at)] }));
    const texts = {
      policy: `${policies}${tracking}`,
      ours: `add table inet trunkline\n${asleep("tracking")}${wholeText({ wires, uplinks: [] })}`,
      peer: `add table inet tracking\n${asleep("trunkline")}${clearText()}`,
    };
    for (const [name, text] of Object.entries(texts)) writeFileSync(path.join(folder, `${name}.nft`), text);
  } finally {
    kernel.close();
    await machine.removeNetns("flow-tables");
  }
}

function rowOf(way: keyof typeof ways, lines: readonly string[]): Row {
  const pairs = lines.flatMap((line) => {
    const [name, ...rates] = line.split(" ");
    return name === way && rates.length === 3 ? [rates.map(Number) as [number, number, number]] : [];
  });
  const ratios = pairs.map(([before, ours, after]) => (2 * ours) / (before + after));
  const [ratio, base] = [
    quantile(ratios, 0.5),
    quantile(
      pairs.flatMap(([a, , b]) => [a, b]),
      0.5,
    ),
  ];
  const spread = `${quantile(ratios, 0.25).toFixed(2)}..${quantile(ratios, 0.75).toFixed(2)}`;
  const text = `${ways[way]}, flow table and policies (peer: connection tracking only; ${pairs.length} pairs, middle half ${spread})`;
  return row(`policy.flow-tables.${way}`, text, "bytes/s", ratio * base, base, {
    of: "ratio",
    at: "least",
    value: LEAST,
  });
}
