// Packets of established TCP through a flow table, beside connection tracking alone on the same path, in the virtual machine,
// whose kernel has flow tables. There a processor is emulated: what is compared is how much work a byte is, at both ends and
// between. Slices take turns, as the machine's other work changes from second to second: on a busy one the middle half says how
// little the median is worth. Beside both a flow table of one line: more than that this kernel's does not save here. Few
// policies, as an open connection's packets pass the same rules however many there are.
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
import { trackingText } from "./paths.ts";

const PAIRS = rounds(24, 8);
const POLICIES = 10;
const LEAST = 1.2;
const PATIENCE_MS = 900_000;
const top = path.resolve(import.meta.dirname, "../../..");
const ways = {
  ask: "a byte and its answer, one after the other, on an established TCP connection",
  send: "a stream of an established TCP connection",
} as const;

/** Fetches the virtual machine's kernel, once. @throws Error where it cannot be had */
export async function prepareMachine(): Promise<void> {
  await run("bash", ["scripts/vm/prepare.sh"], { cwd: top, timeoutMs: PATIENCE_MS });
}

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
    return (["ask", "send"] as const).flatMap((way) => rowsOf(way, pairs));
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
    const tracking = trackingText("inet tracking");
    const asleep = (table: string) => `add table inet ${table} { flags dormant; }\n`;
    const wires = [0, 1].map((at) => ({ link: linkOf(at), ips: [ipOf(at)] }));
    const devices = wires.map(({ link }) => link).join(", ");
    const least = `table inet least {
 flowtable f { hook ingress priority 0; devices = { ${devices} }; }
 chain c { type filter hook forward priority 0; ct state established flow add @f; }
}\n`;
    const noLeast = "add table inet least\ndelete table inet least\n";
    const awake = (table: string) => `add table inet ${table}\n`;
    const texts = {
      policy: `${policies}${tracking}`,
      ours: `${noLeast}${awake("trunkline")}${asleep("tracking")}${wholeText({ wires, uplinks: [] })}`,
      peer: `${noLeast}${awake("tracking")}${asleep("trunkline")}${clearText()}`,
      least: `${asleep("tracking")}${asleep("trunkline")}${clearText()}${noLeast}${least}`,
    };
    for (const [name, text] of Object.entries(texts)) writeFileSync(path.join(folder, `${name}.nft`), text);
  } finally {
    kernel.close();
    await machine.removeNetns("flow-tables");
  }
}

/** Lines of the way's name and five rates, by turns of the peer's, ours, the peer's, the least table's and the peer's. */
function rowsOf(way: keyof typeof ways, lines: readonly string[]): Row[] {
  const rounds = lines.flatMap((line) => {
    const [name, ...rates] = line.split(" ");
    return name === way && rates.length === 5
      ? [rates.map(Number) as [number, number, number, number, number]]
      : [];
  });
  const base = quantile(
    rounds.flatMap(([a, , b, , c]) => [a, b, c]),
    0.5,
  );
  const beside = (ratios: readonly number[]) => {
    const spread = `${quantile(ratios, 0.25).toFixed(2)}..${quantile(ratios, 0.75).toFixed(2)}`;
    const peer = `(peer: connection tracking only; ${ratios.length} pairs, middle half ${spread})`;
    return { ours: quantile(ratios, 0.5) * base, peer };
  };
  const ours = beside(rounds.map(([before, it, after]) => (2 * it) / (before + after)));
  const least = beside(rounds.map(([, , before, it, after]) => (2 * it) / (before + after)));
  const [id, bar] = [`policy.flow-tables.${way}`, { of: "ratio", at: "least", value: LEAST } as const];
  return [
    row(id, `${ways[way]}, flow table and policies ${ours.peer}`, "bytes/s", ours.ours, base, bar),
    row(
      `${id}.least`,
      `the same, a flow table of one line and no other rule ${least.peer}`,
      "bytes/s",
      least.ours,
      base,
    ),
  ];
}
