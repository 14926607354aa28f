// An image as one file: an OCI image layout (image-spec 1.1) in a tar archive, which containerd imports, and Docker's
// manifest.json beside it, by which `docker load` and podman do.
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Entry, tar } from "./tar.ts";

export interface ImageOptions {
  /** `trunkline:0.1.0` */
  readonly name: string;
  readonly entrypoint: readonly string[];
  readonly env: readonly string[];
  readonly user?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly created: string;
}

const digestOf = (content: Buffer) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const media = (what: string) => `application/vnd.oci.image.${what}`;

/** Several images may share a layer, which takes seconds to pack. */
const done = new WeakMap<ReadonlyMap<string, Entry>, { readonly digest: string; readonly gzip: Buffer }>();

function packedOnce(layer: ReadonlyMap<string, Entry>) {
  const known = done.get(layer);
  if (known) return known;
  const archive = tar(layer);
  const made = { digest: digestOf(archive), gzip: gzipSync(archive, { level: 7 }) };
  done.set(layer, made);
  return made;
}

/** Returns the archive of an image with these layers, lowest first. */
export function ociArchive(layers: readonly ReadonlyMap<string, Entry>[], options: ImageOptions): Buffer {
  const blobs = new Map<string, Buffer>();
  const put = (content: Buffer, type: string) => {
    const digest = digestOf(content);
    blobs.set(digest, content);
    return { mediaType: media(type), digest, size: content.length };
  };
  const archives = layers.map(packedOnce);
  const packed = archives.map(({ gzip }) => put(gzip, "layer.v1.tar+gzip"));
  const { entrypoint, env, labels, created, user } = options;
  const config = put(
    json({
      architecture: "amd64",
      os: "linux",
      created,
      config: {
        Entrypoint: entrypoint,
        Env: env,
        Labels: labels,
        WorkingDir: "/",
        ...(user !== undefined && { User: user }),
      },
      rootfs: { type: "layers", diff_ids: archives.map(({ digest }) => digest) },
      history: archives.map(() => ({ created, created_by: "trunkline" })),
    }),
    "config.v1+json",
  );
  const manifest = put(
    json({
      schemaVersion: 2,
      mediaType: media("manifest.v1+json"),
      config,
      layers: packed,
      annotations: labels,
    }),
    "manifest.v1+json",
  );
  const [repository = "", tag = "latest"] = options.name.split(":");
  const annotations = {
    "io.containerd.image.name": `docker.io/${repository.includes("/") ? "" : "library/"}${repository}:${tag}`,
    "org.opencontainers.image.ref.name": tag,
  };
  const index = {
    schemaVersion: 2,
    mediaType: media("index.v1+json"),
    manifests: [{ ...manifest, annotations }],
  };
  const file = (digest: string) => `blobs/${digest.replace(":", "/")}`;
  const docker = [
    {
      Config: file(config.digest),
      RepoTags: [options.name],
      Layers: packed.map(({ digest }) => file(digest)),
    },
  ];
  const entries = new Map<string, Entry>([
    ["blobs", { type: "folder", mode: 0o755 }],
    ["blobs/sha256", { type: "folder", mode: 0o755 }],
  ]);
  const add = (name: string, content: Buffer) => entries.set(name, { type: "file", mode: 0o644, content });
  add("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  add("index.json", json(index));
  add("manifest.json", json(docker));
  for (const [digest, content] of blobs) add(file(digest), content);
  return tar(entries);
}
