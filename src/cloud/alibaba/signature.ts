// Alibaba Cloud's request signature, version 3 (ACS3-HMAC-SHA256), for RPC interfaces: all parameters in the query, no body.

import { createHash, createHmac } from "node:crypto";
import { stampOf } from "../../base/stamp.ts";

export interface Keys {
  readonly id: string;
  readonly secret: string;
  /** Of keys that somebody lent for a while (STS). */
  readonly token?: string;
}

export interface Call {
  readonly host: string;
  readonly action: string;
  /** Of the product's interface, such as 2014-05-26. */
  readonly version: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Never the same twice. */
  readonly nonce: string;
}

const ALGORITHM = "ACS3-HMAC-SHA256";

/** Returns the query and the headers of a signed request. */
export function signed(
  call: Call,
  keys: Keys,
): { readonly query: string; readonly headers: Record<string, string> } {
  const query = canonicalQuery(call.parameters);
  const payload = sha256("");
  const headers: Record<string, string> = {
    host: call.host,
    "x-acs-action": call.action,
    "x-acs-content-sha256": payload,
    "x-acs-date": stampOf(call.now),
    "x-acs-signature-nonce": call.nonce,
    "x-acs-version": call.version,
    ...(keys.token !== undefined && { "x-acs-security-token": keys.token }),
  };
  const names = Object.keys(headers).toSorted();
  const lines = names.map((name) => `${name}:${headers[name]?.trim() ?? ""}\n`).join("");
  const request = ["POST", "/", query, lines, names.join(";"), payload].join("\n");
  const signature = createHmac("sha256", keys.secret)
    .update(`${ALGORITHM}\n${sha256(request)}`)
    .digest("hex");
  const authorization = `${ALGORITHM} Credential=${keys.id},SignedHeaders=${names.join(";")},Signature=${signature}`;
  return { query, headers: { ...headers, authorization } };
}

function canonicalQuery(parameters: Readonly<Record<string, string>>): string {
  return Object.entries(parameters)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${encoded(key)}=${encoded(value)}`)
    .join("&");
}

/** RFC 3986, 2.3: everything but unreserved characters. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
