// Who writes a list dies at any moment: the file is one whole list or the other, and its server can read it.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import type { AddressListSink } from "../../../src/api/kinds/address-list.ts";
import { run } from "../../../src/kernel/exec/index.ts";
import { sinkOf } from "../../../src/sinks/make.ts";
import { longList, shortList } from "./lists.ts";
import { postgresServer } from "./servers.ts";

const writer = path.resolve(import.meta.dirname, "writer.ts");

/** Starts a writer, and kills it some time after its first word. */
async function writeAndDie(spec: AddressListSink, folder: string): Promise<void> {
  const child = spawn(process.execPath, [writer, JSON.stringify(spec), folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", () => reject(new Error("the writer ended by itself")));
  });
  await pause(randomInt(1, 120));
  child.kill("SIGKILL");
  await ended;
}

it("a file is one whole list or the other, whenever its writer dies", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-killed-"));
  try {
    const spec = { name: "f", file: { path: path.join(folder, "list"), form: "json" } } as const;
    await sinkOf(spec)(shortList, { netns: "self", folders: [folder] });
    for (let round = 0; round < 8; round++) {
      await writeAndDie(spec, folder);
      const { ranges } = JSON.parse(readFileSync(spec.file.path, "utf8")) as { ranges: string[] };
      expect([longList.ranges, shortList.ranges]).toContainEqual(ranges);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("pg_hba.conf has no error that its server finds, whenever its writer dies, and the next one goes on", async () => {
  const server = await postgresServer();
  try {
    await server.start();
    for (let round = 0; round < 8; round++) {
      await writeAndDie(server.spec, server.folder);
      const owner = ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"];
      const { port } = server.spec.postgres!;
      const psql = ["psql", "-XAtqw", "-h", server.folder, "-p", String(port), "-d", "postgres", "-c"];
      const count =
        "select count(*) filter (where error is not null) || ' ' || count(*) from pg_hba_file_rules";
      const { stdout } = await run("setpriv", [...owner, ...psql, count], { cwd: "/" });
      // The server's own line, and a whole list or, before the first one, none.
      expect(["0 1", "0 2", "0 2001"]).toContain(stdout.trim());
    }
    await sinkOf(server.spec)(
      { ...shortList, ranges: ["127.0.0.2/32"] },
      { netns: "self", folders: [server.folder] },
    );
    expect(await server.admits("127.0.0.2")).toBe(true);
    expect(await server.admits("127.0.0.3")).toBe(false);
  } finally {
    await server.close();
  }
});
