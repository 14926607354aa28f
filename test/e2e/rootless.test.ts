// The same lab as an ordinary user, without sudo.
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../../src/kernel/exec/index.ts";
import { machineState } from "./trunkline.ts";

const root = path.resolve(import.meta.dirname, "../..");
/** Nobody's: a number that no account has. */
const USER = 61_234;
const lab = `rootless-${process.pid}`;

async function asUser(home: string, command: string, ...words: string[]) {
  const become = ["--reuid", String(USER), "--regid", String(USER), "--clear-groups"];
  const env = { HOME: home, TRUNKLINE_LABS: undefined, XDG_STATE_HOME: undefined };
  const args = [...become, command, ...words];
  return run("setpriv", args, { env, cwd: "/", codes: "any", timeoutMs: 100_000 });
}

describe("a lab without root", () => {
  const home = mkdtempSync("/tmp/tl-home-");
  chmodSync(home, 0o755);
  chownSync(home, USER, USER);
  const trunkline = (...words: string[]) => asUser(home, path.join(root, "bin/trunkline"), ...words);
  afterAll(async () => {
    await trunkline("lab", "down", "--all");
    rmSync(home, { recursive: true, force: true });
  });

  it("is the same lab, and leaves nothing behind", async (context) => {
    // A checkout below /root is closed to others, and some machines close user namespaces to them.
    if ((await asUser(home, "test", "-r", path.join(root, "package.json"))).code !== 0) context.skip();
    if ((await asUser(home, "unshare", "-Urnm", "true")).code !== 0) context.skip();
    const before = machineState(lab);

    const up = await trunkline("lab", "up", "examples/first-light", "-d", "--name", lab);
    expect(up, up.stderr).toMatchObject({ code: 0 });
    expect(up.stdout).toContain("without root");
    const manifest = path.join(root, "examples/first-light/workloads.yaml");
    expect(await trunkline("apply", "-f", manifest)).toMatchObject({ code: 0 });
    expect(await trunkline("wait", "--for", "ready", "--all")).toMatchObject({ code: 0 });
    const probe = await trunkline("probe", "rc/myweb", "rc/mysql:3306", "-o", "json");
    expect(JSON.parse(probe.stdout)).toMatchObject({
      reachable: true,
      sourceSeen: expect.stringMatching(/^10\.1\./),
    });
    const policy = path.join(home, "policy.yaml");
    writeFileSync(
      policy,
      "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db}, spec: {podSelector: {matchLabels: {app: mysql}}, ingress: [{from: [{podSelector: {matchLabels: {app: myweb}}}]}]}}",
    );
    expect(await trunkline("apply", "-f", policy)).toMatchObject({ code: 0 });
    const counted = async () =>
      Number(/(\d+) first packets/.exec((await trunkline("policy", "show", "rc/mysql")).stdout)?.[1]);
    await expect.poll(counted).toBe(0);
    await trunkline("probe", "rc/myweb", "rc/mysql:3306");
    expect(await counted()).toBeGreaterThan(0);
    const doctor = await trunkline("doctor");
    expect(doctor).toMatchObject({ stdout: expect.stringContaining("Nothing is wrong"), stderr: "" });
    const routes = await trunkline("lab", "exec", "node1", "--", "ip", "route");
    expect(routes.stdout).toContain("proto 84");

    expect(await trunkline("lab", "down", lab)).toMatchObject({ code: 0 });
    expect(existsSync(path.join(home, ".local/state/trunkline"))).toBe(false);
    expect(readdirSync(home)).toEqual([".local", "policy.yaml"]);
    expect(machineState(lab)).toBe(before);
  });
});
