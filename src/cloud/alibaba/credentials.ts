// Where the keys come from that requests are signed with: the environment, a folder (a mounted Secret), or the RAM role of the
// machine. They are read when they are needed, kept until shortly before they end, and shown to nobody: an error says where
// it looked, and never what it found there.
import { readFileSync } from "node:fs";
import path from "node:path";
import { TrunklineError } from "../../base/errors.ts";
import type { Keys } from "./signature.ts";

export type CredentialSource =
  | { readonly from: "env" }
  /** Files `access-key-id` and `access-key-secret`, as in Terway's Secret, and `security-token` where there is one. */
  | { readonly from: "folder"; readonly folder: string }
  /** Of the machine that this runs on; role: undefined, the one that it has. */
  | { readonly from: "ram-role"; readonly role?: string };

export interface CredentialOptions {
  readonly source: CredentialSource;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: the address at which every machine of the cloud finds its own. */
  readonly metadataUrl?: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

const METADATA_URL = "http://100.100.100.200";
const PATIENCE_MS = 3000;
/** Lent keys are asked for anew so long before they end, in milliseconds. */
const AHEAD_MS = 300_000;
/** A file may be changed: how long what was read counts, in milliseconds. */
const FILE_MS = 60_000;

export class Credentials {
  readonly #options: CredentialOptions;
  readonly #now: () => number;
  #keys: { readonly keys: Keys; readonly until: number } | undefined;
  #asking: Promise<Keys> | undefined;

  constructor(options: CredentialOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** @throws `cloud.credentials` */
  keys(): Promise<Keys> {
    if (this.#keys && this.#now() < this.#keys.until) return Promise.resolve(this.#keys.keys);
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** The keys were refused: those that come next may be other ones. */
  forget(): void {
    this.#keys = undefined;
  }

  async #read(): Promise<Keys> {
    const { source } = this.#options;
    const kept =
      source.from === "env"
        ? { keys: this.#ofEnvironment(), until: Number.POSITIVE_INFINITY }
        : source.from === "folder"
          ? { keys: ofFolder(source.folder), until: this.#now() + FILE_MS }
          : await this.#ofRole(source.role);
    this.#keys = kept;
    return kept.keys;
  }

  #ofEnvironment(): Keys {
    const environment = this.#options.environment ?? process.env;
    const [id, secret, token] = ["ID", "SECRET"]
      .map((name) => environment[`ALIBABA_CLOUD_ACCESS_KEY_${name}`])
      .concat(environment["ALIBABA_CLOUD_SECURITY_TOKEN"]);
    if (!id || !secret)
      throw refused(
        "the environment",
        "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET must both be set",
      );
    return { id, secret, ...(token && { token }) };
  }

  async #ofRole(wanted: string | undefined): Promise<{ keys: Keys; until: number }> {
    const base = this.#options.metadataUrl ?? METADATA_URL;
    const where = `the machine's metadata (${base})`;
    const ask = async (at: string, init: RequestInit) => {
      const response = await fetch(`${base}/latest/${at}`, {
        ...init,
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const text = await response.text();
      // What it said is not repeated: it may be a part of keys.
      if (!response.ok)
        throw refused(
          where,
          `${at.split("/").slice(0, 3).join("/")} was answered with status ${response.status}`,
        );
      return text.trim();
    };
    try {
      const ttl = { "X-aliyun-ecs-metadata-token-ttl-seconds": "300" };
      const session = await ask("api/token", { method: "PUT", headers: ttl });
      const headers = { "X-aliyun-ecs-metadata-token": session };
      const roles = "meta-data/ram/security-credentials/";
      const role = wanted ?? (await ask(roles, { headers })).split("\n")[0] ?? "";
      return readLent(where, await ask(`${roles}${encodeURIComponent(role)}`, { headers }), this.#now());
    } catch (error) {
      if (error instanceof TrunklineError) throw error;
      throw refused(
        where,
        error instanceof Error && error.name === "TimeoutError" ? "no answer" : "it cannot be reached",
      );
    }
  }
}

function readLent(where: string, text: string, now: number): { keys: Keys; until: number } {
  let lent: Partial<
    Record<"AccessKeyId" | "AccessKeySecret" | "SecurityToken" | "Expiration" | "Code", string>
  >;
  try {
    lent = JSON.parse(text) as typeof lent;
  } catch {
    throw refused(where, "the answer about the role's keys cannot be read");
  }
  const { AccessKeyId: id, AccessKeySecret: secret, SecurityToken: token, Expiration: end } = lent;
  const ends = Date.parse(end ?? "");
  if (!id || !secret || !token || !(ends > now))
    throw refused(where, "the role has no keys that are in force");
  return { keys: { id, secret, token }, until: Math.max(now + 1000, ends - AHEAD_MS) };
}

function ofFolder(folder: string): Keys {
  const read = (name: string, needed: boolean) => {
    try {
      return readFileSync(path.join(folder, name), "utf8").trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!needed && code === "ENOENT") return "";
      throw refused(folder, `file ${name}: ${code ?? "cannot be read"}`);
    }
  };
  const [id, secret, token] = [
    read("access-key-id", true),
    read("access-key-secret", true),
    read("security-token", false),
  ];
  if (id === "" || secret === "")
    throw refused(folder, "access-key-id and access-key-secret must not be empty");
  return { id, secret, ...(token !== "" && { token }) };
}

function refused(where: string, why: string) {
  return new TrunklineError("cloud.credentials", { where, why });
}
