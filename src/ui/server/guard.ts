// Who may ask: no page of another site, under no other name of this machine, and nobody without the token. Pure but for
// `newToken`.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { TrunklineError } from "../../base/errors.ts";

/** What a token may look like that was made elsewhere. */
const TOKEN = /^[\w-]{32,256}$/;

/** Returns a new token of 256 bits. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** Returns whether a text can be a token. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

export interface Guard {
  /** Names, with ports, by which browsers may know this server, in small letters. */
  readonly hosts: ReadonlySet<string>;
  readonly token: string;
}

/**
 * Returns the names of a server that listens there. Only these are answered: another site's name that leads here (DNS
 * rebinding) would make its page one of this origin.
 * @param names further ones, without a port: those of a proxy, or of this machine
 */
export function hostsOf(address: string, port: number, names: readonly string[] = []): ReadonlySet<string> {
  const own = address.includes(":") ? `[${address}]` : address;
  const loopback = ["127.0.0.1", "::1"].includes(address) ? ["localhost"] : [];
  const given = names.flatMap((name) => [name, `${name}:${port}`]);
  return new Set(
    [...[own, ...loopback].map((name) => `${name}:${port}`), ...given].map((name) => name.toLowerCase()),
  );
}

/**
 * Lets a request pass whose browser came here by a name of ours, and from no other page.
 * @throws TrunklineError `ui.host`, `ui.origin`
 */
export function checkOrigin({ hosts }: Guard, headers: IncomingHttpHeaders): void {
  const host = headers.host?.toLowerCase() ?? "";
  if (!hosts.has(host)) throw new TrunklineError("ui.host", { host });
  const { origin } = headers;
  if (origin !== undefined && !isOwn(origin, host)) throw new TrunklineError("ui.origin", { origin });
  // Browsers say on their own who made a page ask; `none` is somebody who typed the address.
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none")
    throw new TrunklineError("ui.origin", { origin: `${String(site)} (Sec-Fetch-Site)` });
}

/** A proxy in front may speak TLS. */
function isOwn(origin: string, host: string): boolean {
  const own = origin.toLowerCase();
  return own === `http://${host}` || own === `https://${host}`;
}

/**
 * Lets a request pass that has the token: in a header, which no other page can make a browser send, and not in a cookie,
 * which a browser sends to every port of a machine.
 * @throws TrunklineError `ui.token`
 */
export function checkToken({ token }: Guard, headers: IncomingHttpHeaders): void {
  const given = /^Bearer ([\w-]+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
  if (!timingSafeEqual(digest(given), digest(token))) throw new TrunklineError("ui.token", {});
}

/** Of one length whatever is given, so that the time tells nothing. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Headers of every answer: nothing from outside, nothing inline, no frame around it, nothing kept. */
export const safeHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "geolocation=(), camera=(), microphone=()",
  "cache-control": "no-store",
};
