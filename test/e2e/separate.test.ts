// The lab with every agent as the process that production runs: what it serves and logs, and what it is to be killed.
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Pod } from "../../src/api/kinds/core.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { Commands } from "./trunkline.ts";

const trunkline = new Commands();
beforeAll(async () => {
  await trunkline.up("examples/first-light", "--separate");
  await trunkline.ask("apply", "-f", "examples/first-light/workloads.yaml");
  await trunkline.ask("wait", "--for", "ready", "--all");
});
afterAll(() => trunkline.end());

const nodeFolder = (node: string) => path.join(trunkline.folder, "labs", trunkline.lab, "nodes", node);

function asked(node: string, what: string): Promise<{ code: number | undefined; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | undefined; body: string }>();
  const options = { socketPath: path.join(nodeFolder(node), "health.sock"), path: what };
  request(options, (answer) => {
    text(answer).then((body) => resolve({ code: answer.statusCode, body }), reject);
  })
    .on("error", reject)
    .end();
  return promise;
}

/** The agent's process: it is named by its own socket, which lies in a folder of this test's. */
async function agentOf(node: string): Promise<number> {
  const socket = path.join(nodeFolder(node), "agent.sock");
  const { stdout } = await run("ps", ["-eo", "pid=,args="]);
  const line = stdout.split("\n").find((one) => / agent .*--socket/.test(one) && one.includes(socket));
  if (line === undefined) throw new Error(`no agent of ${node}`);
  return Number.parseInt(line, 10);
}

describe("an agent of its own process", () => {
  it("says that it lives and is ready, and counts", async () => {
    expect(await asked("node1", "/livez")).toMatchObject({ code: 200 });
    expect(await asked("node2", "/readyz")).toMatchObject({ code: 200 });
    expect(await asked("node1", "/nothing")).toMatchObject({ code: 404 });
    const { code, body } = await asked("node3", "/metrics");
    expect(code).toBe(200);
    expect(body).toMatch(/^process_resident_memory_bytes\S* \d+/m);
    expect(body).toMatch(/^trunkline_\w+(\{[^}]*\})? \d+/m);
    for (const line of body.split("\n"))
      expect(line).toMatch(/^$|^# |^[a-z_:A-Z0-9]+(\{.*\})? [-+.\dEeNaInf]+$/);
  });

  it("logs JSON with the same keys in every line", () => {
    for (const node of ["node1", "node2", "node3"]) {
      const lines = readFileSync(path.join(nodeFolder(node), "agent.log"), "utf8")
        .trim()
        .split("\n");
      expect(lines.length).toBeGreaterThan(1);
      for (const line of lines) {
        expect(JSON.parse(line)).toMatchObject({
          level: expect.stringMatching(/^(trace|debug|info|warn|error|fatal)$/),
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          component: expect.any(String),
          node,
          msg: expect.any(String),
        });
      }
    }
  });

  it("leaves pods their network when it is killed; new ones wait and come up with the next agent", async () => {
    const { items } = await trunkline.json<{ items: Pod[] }>("get", "pods", "-l", "app=mysql");
    const node = items[0]!.spec.nodeName!;
    const killed = await agentOf(node);
    process.kill(killed, "SIGKILL");
    const late = path.join(trunkline.folder, "late.yaml");
    writeFileSync(
      late,
      `apiVersion: v1\nkind: Pod\nmetadata: {name: late}\nspec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]}\n`,
    );
    await trunkline.ask("apply", "-f", late);
    expect(await trunkline.json("probe", "rc/myweb", "rc/mysql:3306")).toMatchObject({ reachable: true });
    await trunkline.ask("wait", "--for", "ready", "pod/late", "--timeout", "30s");
    expect(await agentOf(node)).not.toBe(killed);
    expect(await trunkline.json("probe", "rc/myweb", "pod/late:80")).toMatchObject({ reachable: true });
    expect(await trunkline.json("probe", "rc/myweb", "rc/mysql:3306")).toMatchObject({ reachable: true });
    expect(await trunkline.json("ipam", "check")).toMatchObject({ ok: true, pods: 4, findings: [] });
    expect(await asked(node, "/readyz")).toMatchObject({ code: 200 });
  });
});
