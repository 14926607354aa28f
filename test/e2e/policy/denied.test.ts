// Refused packets, as a user sees them.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BookedRefusal } from "../../../src/agent/denied/refusal-book.ts";
import { Commands, executable } from "../trunkline.ts";

const root = path.resolve(import.meta.dirname, "../../..");

describe("trunkline denied", () => {
  const trunkline = new Commands();
  beforeAll(async () => {
    await trunkline.up("examples/network-policy");
    await trunkline.ask("apply", "-f", "examples/network-policy/allow-nginxclient-as-meant.yaml");
    await trunkline.ask("wait", "--for", "ready", "--all", "-A", "--timeout", "60s");
  });
  afterAll(() => trunkline.end());

  it("says with exit code 0 that nothing was refused", async () => {
    const said = await trunkline.say("denied", "--lab", trunkline.lab, "--pod", "client1");
    expect(said).toMatchObject({ code: 0, stdout: "" });
  });

  it("shows one line while client2 tries: the policy, and the label that would help", async () => {
    const lines: string[] = [];
    const watcher = spawn(executable, ["denied", "-w", "--lab", trunkline.lab], {
      cwd: root,
      env: { ...process.env, TRUNKLINE_LABS: path.join(trunkline.folder, "labs") },
    });
    watcher.stdout.on("data", (chunk: Buffer) => lines.push(...`${chunk}`.trimEnd().split("\n")));
    try {
      // Until the watcher looks, each try is of a minute that it does not show: ports of their own.
      for (let port = 1000; lines.length === 0; port++)
        await trunkline.say(
          "probe",
          "--lab",
          trunkline.lab,
          "pod/client2",
          `pod/nginx:${port}`,
          "--timeout",
          "200ms",
        );
      lines.length = 0;
      const denied = await trunkline.say("probe", "--lab", trunkline.lab, "pod/client2", "pod/nginx:80");
      expect(denied.code).toBe(1);
      await expect.poll(() => lines.length, { timeout: 20_000 }).toBeGreaterThan(0);
      const about = lines.filter((line) => line.includes(":80/tcp"));
      expect(about).toHaveLength(1);
      expect(about[0]).toMatch(
        /^\d\d:\d\d:\d\d ingress pod\/default\/client2 \(\S+\) -> pod\/default\/nginx \(\S+\):80\/tcp refused by default\/allow-nginxclient(?: \(\d packets\))?; would help: label role=nginxclient on pod default\/client2 \(default\/allow-nginxclient, spec\.ingress\[0\]\.from\[0\]\)$/,
      );
    } finally {
      watcher.kill();
    }
  });

  it("answers machines with exit code 1, counts what was refused, and tells the pod", async () => {
    const probed = await trunkline.say("probe", "--lab", trunkline.lab, "pod/client2", "pod/nginx:82");
    expect(probed.code).toBe(1);
    const said = await trunkline.say("denied", "--lab", trunkline.lab, "--pod", "nginx", "-o", "json");
    expect(said.code).toBe(1);
    const { refusals, counts } = JSON.parse(said.stdout) as {
      refusals: BookedRefusal[];
      counts: { pod: string; by: string; packets: number }[];
    };
    expect(refusals.find(({ port }) => port === "82/tcp")).toMatchObject({
      direction: "ingress",
      from: { name: "pod/default/client2" },
      to: { name: "pod/default/nginx" },
      by: { kind: "policy", policies: ["default/allow-nginxclient"] },
    });
    expect(counts).toMatchObject([{ pod: "default/nginx", by: "ingress" }]);
    const events = await trunkline.ask("describe", "pod/nginx");
    expect(events).toContain("ingress is refused by policy default/allow-nginxclient");
  });

  it("takes no node that is not there", async () => {
    expect(await trunkline.say("denied", "--lab", trunkline.lab, "--node", "node9")).toMatchObject({
      code: 2,
    });
  });

  it("lets pass what a staged policy would refuse, and shows it with --would alone, until it is enforced", async () => {
    const file = path.join(trunkline.folder, "staged.yaml");
    const write = (stage: string) =>
      writeFileSync(
        file,
        `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: nothing-out, annotations: { trunkline.dev/stage: "${stage}" } }
spec: { podSelector: { matchLabels: { run: tried } }, policyTypes: [Egress] }
---
apiVersion: v1
kind: Pod
metadata: { name: tried, labels: { run: tried, role: nginxclient } }
spec: { containers: [{ name: c, image: busybox }] }
`,
      );
    const probe = () => trunkline.say("probe", "--lab", trunkline.lab, "pod/tried", "pod/nginx:80");
    const shown = async (...options: string[]) => {
      const words = ["denied", "--lab", trunkline.lab, "--pod", "tried", "-o", "json", ...options];
      const { stdout, code } = await trunkline.say(...words);
      return { code, ...(JSON.parse(stdout) as { refusals: BookedRefusal[]; counts: unknown[] }) };
    };
    write("true");
    await trunkline.ask("apply", "-f", file);
    await trunkline.ask("wait", "--for", "ready", "pod/tried", "--timeout", "60s");
    await expect
      .poll(
        async () => {
          expect(await probe()).toMatchObject({ code: 0 });
          return (await shown("--would")).refusals.map(({ by }) => by);
        },
        { timeout: 20_000 },
      )
      .toMatchObject([{ kind: "staged", site: "would-egress", policies: ["default/nothing-out"] }]);
    expect((await shown("--would")).counts).toMatchObject([{ pod: "default/tried", by: "egress" }]);
    expect(await shown()).toMatchObject({ code: 0, refusals: [], counts: [] });
    expect(await trunkline.say("explain", "pod/tried", "pod/nginx:80")).toMatchObject({ code: 0 });
    expect(await trunkline.ask("describe", "netpol/nothing-out")).toContain("not enforced");
    write("false");
    await trunkline.ask("apply", "-f", file);
    await expect.poll(async () => (await probe()).code, { timeout: 20_000 }).toBe(1);
    expect((await shown()).refusals).toMatchObject([{ by: { kind: "policy" } }]);
    expect(await trunkline.say("explain", "pod/tried", "pod/nginx:80")).toMatchObject({ code: 1 });
    await trunkline.ask("delete", "-f", file);
  });
});
