// The hammer on what production runs: five `trunkline agent` processes, and pods plugged in by the real executable.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { AgentMember } from "./agent-member.ts";
import { buildFaultyDisk } from "./faulty-disk.ts";
import { Hammer } from "./hammer.ts";

it.runIf(process.geteuid?.() === 0)(
  "agents that are killed leave no address twice, and none lost",
  async () => {
    const seed = Number(process.env["TRUNKLINE_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
    const operations = Number(process.env["TRUNKLINE_AGENT_OPERATIONS"] ?? 2_000);
    console.log(`hammer of agents: TRUNKLINE_SEED=${seed}, ${operations} operations`);
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const folder = mkdtempSync(path.join(base, "trunkline-hammer-"));
    try {
      const options = {
        operations,
        seed,
        folder,
        member: (name: string, below: string, store: string, env: Readonly<Record<string, string>>) =>
          new AgentMember(name, below, store, env),
        pool: { name: "pool", cidr: "10.1.0.0/18", blockSize: 26 },
        pods: [5, 60] as const,
        workers: 6,
        whole: false,
      };
      const report = await new Hammer(options, await buildFaultyDisk(folder)).run();
      console.log(report.counts);
      // It was work, and not refusals alone: the hammer goes on until it was.
      expect(report.counts["additions"]).toBeGreaterThanOrEqual(operations / 5);
      expect(report.violations).toEqual([]);
      expect(report.findings).toEqual([]);
      expect(report.leftovers).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
