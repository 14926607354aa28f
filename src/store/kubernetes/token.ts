// Where bearer tokens come from, and when they are asked for again.
import { readFileSync } from "node:fs";
import { TrunklineError, textOf } from "../../base/errors.ts";

export interface TokenSource {
  /** @throws TrunklineError `store.access` */
  get(): Promise<string>;
  /** The server did not take it (401): the next `get` asks anew. */
  refused(): void;
}

/** What a credentials plugin is called with (client.authentication.k8s.io). */
export interface PluginCall {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a program and returns its standard output; the one door to programs is not this room's. */
export type RunPlugin = (call: PluginCall) => Promise<string>;

/** A file is read at most this often, ms; the kubelet renews a pod's token well before it ends. */
const rereadMs = 10_000;
/** A plugin's token is renewed this long before it ends, ms. */
const earlyMs = 30_000;

/** Returns the token that stands in a file. */
export function fileToken(file: string, now: () => number = () => performance.now()): TokenSource {
  let known: { readonly text: string; readonly at: number } | undefined;
  return {
    async get() {
      if (known !== undefined && now() - known.at < rereadMs) return known.text;
      try {
        const text = readFileSync(file, "utf8").trim();
        if (text === "") throw new Error("it is empty");
        known = { text, at: now() };
      } catch (error) {
        // While it is being replaced the old one still holds.
        if (known === undefined)
          throw new TrunklineError("store.access", { file, why: textOf(error) }, { cause: error });
      }
      return known.text;
    },
    refused() {
      if (known) known = { ...known, at: Number.NEGATIVE_INFINITY };
    },
  };
}

/** Returns the token that a credentials plugin hands out, until it ends. */
export function execToken(
  call: PluginCall & { readonly apiVersion: string },
  run: RunPlugin,
  now: () => number = Date.now,
): TokenSource {
  let known: { readonly text: string; readonly ends: number } | undefined;
  let asking: Promise<string> | undefined;
  const ask = async () => {
    const info = { apiVersion: call.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
    const env = { ...call.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
    const text = await run({ command: call.command, args: call.args, env });
    let status: { readonly token?: unknown; readonly expirationTimestamp?: unknown } | undefined;
    try {
      status = (JSON.parse(text) as { status?: typeof status }).status;
    } catch {
      // What it printed may hold a secret, so it is not repeated.
    }
    if (typeof status?.token !== "string" || status.token === "")
      throw new TrunklineError("store.access", {
        file: call.command,
        why: "it printed no ExecCredential with a token",
      });
    const ends = Date.parse(String(status.expirationTimestamp));
    known = { text: status.token, ends: Number.isNaN(ends) ? Number.POSITIVE_INFINITY : ends - earlyMs };
    return known.text;
  };
  return {
    async get() {
      if (known !== undefined && now() < known.ends) return known.text;
      asking ??= ask().finally(() => (asking = undefined));
      return asking;
    },
    refused() {
      known = undefined;
    },
  };
}
