// Images that no registry is asked for: the sandbox's program, and stand-ins for those that manifests name, which listen
// where the real ones do (agnhost, from the Kubernetes tree). What Kubernetes' own tests ask for has the names that they give.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ociArchive } from "../image/oci.ts";
import type { Entry } from "../image/tar.ts";
import { file, program } from "./place.ts";

const created = "1970-01-01T00:00:00Z";

function layerOf(name: string, programFile: string): ReadonlyMap<string, Entry> {
  return new Map<string, Entry>([
    [name, { type: "file", mode: 0o755, content: readFileSync(programFile) }],
    ["tmp", { type: "folder", mode: 0o1777 }],
  ]);
}

/** Debian's static one, under the names of all its programs. */
function busybox(): ReadonlyMap<string, Entry> {
  const program = "/usr/bin/busybox";
  const file = existsSync(program) ? program : "/bin/busybox";
  const names = execFileSync(file, ["--list"], { encoding: "utf8" }).split("\n").filter(Boolean);
  return new Map<string, Entry>([
    ["bin", { type: "folder", mode: 0o755 }],
    ["tmp", { type: "folder", mode: 0o1777 }],
    ...names.map((name): [string, Entry] => [`bin/${name}`, { type: "link", to: "busybox" }]),
    ["bin/busybox", { type: "file", mode: 0o755, content: readFileSync(file) }],
  ]);
}

function image(name: string, layer: ReadonlyMap<string, Entry>, entrypoint: readonly string[]): string {
  const at = file(`${name.replaceAll(/[/:]/g, "_")}.tar`);
  writeFileSync(at, ociArchive([layer], { name, entrypoint, env: ["PATH=/bin:/"], labels: {}, created }));
  return at;
}

/** Names that manifests have, and where the real image listens. */
const standIns: readonly (readonly [name: string, port: number])[] = [
  ["mysql:5.7", 3306],
  ["kubeguide/tomcat-app:v1", 8080],
  ["nginx:latest", 80],
  ["nginx:1.14.1", 80],
  ["nginx:1.9.0", 80],
];

/** Makes the archives; returns their paths. */
export function makeImages(): readonly string[] {
  const pause = file("pause");
  execFileSync("gcc", ["-O2", "-static", "-s", path.join(import.meta.dirname, "pause.c"), "-o", pause]);
  const agnhost = layerOf("agnhost", program("agnhost"));
  return [
    image("trunkline-pause:1", layerOf("pause", pause), ["/pause"]),
    image("agnhost:1", agnhost, ["/agnhost"]),
    // test/utils/image/manifest.go of the version that scripts/cluster/build.sh pins.
    image("e2e-test-images/agnhost:2.66.1", agnhost, ["/agnhost"]),
    image("busybox:latest", busybox(), ["/bin/sh"]),
    ...standIns.map(([name, port]) =>
      image(name, agnhost, ["/agnhost", "netexec", `--http-port=${port}`, "--udp-port=-1"]),
    ),
  ];
}
