// A registry for the nodes, read-only, on the cluster's own wire: whatever image a manifest names is asked for here and
// nowhere else. Serves what `fill` has put into its folder (distribution-spec: manifests and blobs by name and digest).
import { createReadStream, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { file, network, registryPort } from "./place.ts";
import { run } from "./programs.ts";

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

const folder = file("registry");
const names = path.join(folder, "names.json");
const blob = (digest: string) => path.join(folder, "blobs", digest.replace(":", "/"));

/** Puts image archives into the registry's folder. */
export function fill(archives: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  const known: Record<string, string> = {};
  for (const archive of archives) {
    run("tar", ["-xf", archive, "-C", folder]);
    for (const { digest, annotations } of (
      JSON.parse(readFileSync(path.join(folder, "index.json"), "utf8")) as Index
    ).manifests)
      known[annotations["io.containerd.image.name"]?.replace(/^docker\.io\//, "") ?? ""] = digest;
  }
  writeFileSync(names, JSON.stringify(known));
}

function serve(): void {
  const known = JSON.parse(readFileSync(names, "utf8")) as Record<string, string>;
  createServer((request, response) => {
    const [, name = "", what, reference = ""] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? "") ?? [];
    const digest = reference.startsWith("sha256:") ? reference : known[`${name}:${reference}`];
    const at = digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest) ? blob(digest) : undefined;
    if (what === undefined) response.writeHead(request.url === "/v2/" ? 200 : 404).end();
    else if (at === undefined || !existsSync(at)) response.writeHead(404).end();
    else {
      const type =
        what === "manifests" ? "application/vnd.oci.image.manifest.v1+json" : "application/octet-stream";
      response.writeHead(200, {
        "content-type": type,
        "content-length": statSync(at).size,
        "docker-content-digest": digest,
      });
      if (request.method === "HEAD") response.end();
      else createReadStream(at).pipe(response);
    }
  }).listen(registryPort, network.master);
}

if (process.argv[1] === import.meta.filename) serve();
