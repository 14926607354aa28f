// explain, lint, policy and route as users run them, without root and without a lab.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Commands } from "../trunkline.ts";

const policy = (body: string) => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: to-web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
${body}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other}
spec: {containers: [{name: c}]}
`;
const asMeant = policy("    ports: [{port: 80}]");
const asWritten = policy("  - ports: [{port: 80}]");

const commands = new Commands();
const file = (name: string) => path.join(commands.folder, name);
const run = (words: readonly string[]) => commands.say(...words);

beforeAll(() => {
  writeFileSync(file("meant.yaml"), asMeant);
  writeFileSync(file("written.yaml"), asWritten);
  writeFileSync(file("broken.yaml"), "apiVersion:v1\nkind: Pod\n");
});
afterAll(() => commands.end());

describe("lint", () => {
  it("ends with 0 where nothing is found, 1 with findings, 2 where a text cannot be read", async () => {
    expect((await run(["lint", "-f", file("meant.yaml")])).code).toBe(0);
    const found = await run(["lint", "-f", file("written.yaml")]);
    expect(found.code).toBe(1);
    expect(found.stdout).toContain(`${file("written.yaml")}:9:5: warning TL014 separate-ports-item`);
    const broken = await run(["lint", "-f", file("broken.yaml")]);
    expect(broken).toMatchObject({ code: 2, stdout: "" });
    expect(broken.stderr).toContain(`${file("broken.yaml")}:1:12:`);
  });

  it("prints JSON and SARIF, and lists its rules", async () => {
    const json = await run(["lint", "-f", file("written.yaml"), "-o", "json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ findings: [{ rule: "TL014", position: { line: 9 } }] });
    const sarif = await run(["lint", "-f", file("written.yaml"), "-o", "sarif"]);
    expect(JSON.parse(sarif.stdout)).toMatchObject({
      version: "2.1.0",
      runs: [{ results: [{ ruleId: "TL014" }] }],
    });
    expect((await run(["lint", "--rules"])).stdout).toContain("TL014");
  });
});

describe("policy matrix -f", () => {
  it("needs no lab", async () => {
    const { stdout, code } = await run(["policy", "matrix", "-f", file("meant.yaml"), "-o", "json"]);
    const { cells } = JSON.parse(stdout) as {
      cells: { from: string; to: string; allowed: boolean; by?: object }[];
    };
    expect(code).toBe(0);
    const into = cells.filter((cell) => cell.to === "pod/default/web");
    expect(into.map((cell) => [cell.from, cell.allowed])).toEqual([
      ["pod/default/client", true],
      ["pod/default/other", false],
      ["pod/default/web", true],
    ]);
    expect(into[1]?.by).toMatchObject({ by: "ingress", policy: "default/to-web" });
  });

  it("says where a range may or may not hold a pod's address, and diff ends with 3 where only that may change", async () => {
    const out = (cidr: string) =>
      `${asMeant}---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: ${cidr}}}]}]}}\n`;
    writeFileSync(file("some.yaml"), out("10.1.0.0/16"));
    writeFileSync(file("other.yaml"), out("10.2.0.0/16"));
    const allowed = async (...words: string[]) => {
      const { code, stdout } = await run(["policy", "matrix", "-o", "json", "--port", "80/tcp", ...words]);
      expect(code).toBe(0);
      const { cells } = JSON.parse(stdout) as {
        cells: { from: string; to: string; allowed: boolean | null }[];
      };
      return cells.find(({ from, to }) => from === "pod/default/web" && to === "pod/default/other")?.allowed;
    };
    writeFileSync(
      file("pool.yaml"),
      "{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.1.0.0/16}}\n",
    );
    expect(await allowed("-f", file("some.yaml"))).toBeNull();
    expect(await allowed("-f", file("some.yaml"), file("pool.yaml"))).toBe(true);
    expect(await allowed("-f", file("other.yaml"), file("pool.yaml"))).toBe(false);
    const text = await run(["policy", "matrix", "-f", file("some.yaml"), "--port", "80/tcp"]);
    expect(text.stdout).toContain("? cannot tell");
    const diff = await run([
      "policy",
      "diff",
      "--from",
      file("meant.yaml"),
      "-f",
      file("some.yaml"),
      "--port",
      "80/tcp",
    ]);
    expect(diff.stdout).toContain("? pod/default/web → pod/default/other 80/tcp (cannot tell: ");
    expect(diff.code).toBe(1);
    // Known pools on one side only: ranges are reached alike, and of the pods alone it cannot be told.
    writeFileSync(
      file("both.yaml"),
      `${out("10.1.0.0/16")}---\n{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.0.0.0/8}}\n`,
    );
    const unclear = await run([
      "policy",
      "diff",
      "--from",
      file("some.yaml"),
      "-f",
      file("both.yaml"),
      "--port",
      "80/tcp",
    ]);
    expect(unclear).toMatchObject({ code: 3, stdout: expect.stringContaining("cannot be told") });
  });

  it("reads workloads of which nobody but a kubelet would complain, and warns", async () => {
    writeFileSync(file("nameless.yaml"), asMeant.replaceAll("[{name: c", "[{image: c"));
    const { code, stdout, stderr } = await run(["policy", "matrix", "-f", file("nameless.yaml")]);
    expect(code).toBe(0);
    expect(stdout).toContain("8 of 9 allowed");
    expect(stderr).toContain("warning:");
  });

  it("refuses bad ports and broken manifests", async () => {
    expect(await run(["policy", "matrix", "-f", file("meant.yaml"), "--port", "http"])).toMatchObject({
      code: 2,
    });
    expect(await run(["policy", "matrix", "-f", file("broken.yaml")])).toMatchObject({ code: 2, stdout: "" });
  });
});

describe("policy diff", () => {
  it("ends with 1 where reach changes and 0 where it does not", async () => {
    const changed = await run(["policy", "diff", "--from", file("meant.yaml"), "-f", file("written.yaml")]);
    expect(changed.code).toBe(1);
    expect(changed.stdout).toContain("+ pod/default/other → pod/default/web 80/tcp");
    const same = await run(["policy", "diff", "--from", file("meant.yaml"), "-f", file("meant.yaml")]);
    expect(same).toMatchObject({ code: 0, stdout: "no reach appears or disappears\n" });
  });
});

describe("from a store", () => {
  const store = () => ["--store", `sqlite:${file("store.db")}`];
  beforeAll(async () => {
    await run(["apply", "-f", file("meant.yaml"), ...store()]);
  });

  it("cannot tell about a pod that has not started, and refuses what does not exist", async () => {
    expect(await run(["explain", "pod/client", "pod/web:80", ...store()])).toMatchObject({ code: 3 });
    const unknown = await run(["explain", "pod/client", "pod/wep:80", ...store()]);
    expect(unknown).toMatchObject({ code: 2, stdout: "" });
    expect(unknown.stderr).toContain("Did you mean pod/default/web?");
    expect(await run(["explain", "pod/client", "pod/web:http", ...store()])).toMatchObject({ code: 2 });
  });

  it("shows a pod's rules, lints what is stored, and says what applying would change", async () => {
    expect((await run(["policy", "show", "web", ...store()])).stdout).toContain("isolated by default/to-web");
    expect((await run(["lint", ...store()])).code).toBe(0);
    expect(await run(["policy", "diff", "-f", file("meant.yaml"), ...store()])).toMatchObject({ code: 0 });
    expect(await run(["policy", "diff", "-f", file("written.yaml"), ...store()])).toMatchObject({ code: 1 });
    expect((await run(["route", "show", ...store()])).stderr).toContain("No prefixes");
  });
});
