// npm run image: dist/trunkline-image.tar, an OCI archive, and its SPDX document beside it. No registry and no daemon is
// asked; the same sources on the same Debian packages give the same bytes. `--out FILE` writes elsewhere.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { version } from "../../src/cli/version.ts";
import { ociArchive } from "./oci.ts";
import { sbom } from "./sbom.ts";
import { collect } from "./tree.ts";

const root = path.resolve(import.meta.dirname, "../..");
const { values } = parseArgs({
  options: { out: { type: "string", default: path.join(root, "dist/trunkline-image.tar") } },
});

const { system, own, packages } = collect();
const created = createdAt();
const archive = ociArchive([system, own], {
  name: `trunkline:${version}`,
  entrypoint: ["/usr/bin/trunkline"],
  env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
  labels: {
    "org.opencontainers.image.title": "trunkline",
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.licenses": "Apache-2.0",
  },
  created,
});
writeFileSync(values.out, archive);
const digest = createHash("sha256").update(archive).digest("hex");
writeFileSync(
  values.out.replace(/(\.tar)?$/, ".spdx.json"),
  sbom({ name: "trunkline", version, digest, created }, packages),
);
const size = [...system.values(), ...own.values()].reduce(
  (sum, entry) => sum + (entry.type === "file" ? entry.content.length : 0),
  0,
);
const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
console.log(
  `${path.relative(process.cwd(), values.out)}: trunkline:${version}, ${mb(size)} MB, ${mb(archive.length)} MB compressed, sha256:${digest}`,
);

/** The commit's time, so that building it again gives the same bytes. */
function createdAt(): string {
  const given = process.env["SOURCE_DATE_EPOCH"];
  const seconds = given ?? commitTime();
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
}

function commitTime(): string {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    // Sources without their history.
    return "0";
  }
}
