// An HTTP server that takes the list as JSON by PUT (RFC 9110, 9.3.4), with a token from a Secret (RFC 6750). The token goes to that
// address only: over TLS, or to the loopback, and nowhere a redirection points to.
import { secretKind, secretText } from "../api/kinds/secret.ts";
import { TrunklineError, textOf } from "../base/errors.ts";
import { http, https, ownConnection } from "../base/http.ts";
import { listJson } from "./file.ts";
import type { SinkMaker, SinkPlace } from "./sink.ts";

const TIMEOUT_MS = 10_000;
const EXCERPT = 200;

export const httpSink: SinkMaker<"http"> = ({ url, tokenSecret }) => {
  /** What it took last: a server need not be told the same again. */
  let taken: string | undefined;
  return async (list, place) => {
    const text = listJson(list);
    if (text === taken) return;
    taken = undefined;
    const token = tokenSecret && (await tokenOf(tokenSecret, place));
    const { status, said } = await put(new URL(url), text, token);
    if (status < 200 || status > 299) throw refused(url, `status ${status} ${said}`.trim());
    taken = text;
  };
};

async function tokenOf(
  {
    namespace,
    name,
    key = "token",
  }: { readonly namespace: string; readonly name: string; readonly key?: string },
  { store }: SinkPlace,
): Promise<string> {
  const what = `Secret ${namespace}/${name}`;
  if (!store) throw new TrunklineError("sinks.refused", { what, why: "it is for the controller to read" });
  const secret = await store.get(secretKind, name, namespace);
  const token = secret && secretText(secret, key)?.trim();
  if (!token || !/^[\x21-\x7e]+$/.test(token))
    throw new TrunklineError("sinks.refused", { what, why: `it has no token in key '${key}'` });
  return token;
}

function put(url: URL, text: string, token: string | undefined): Promise<{ status: number; said: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; said: string }>();
  const body = Buffer.from(text);
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const options = { method: "PUT", headers, ...ownConnection, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const most = EXCERPT + (token?.length ?? 0);
  const send = url.protocol === "https:" ? https.request : http.request;
  const request = send(url, options, (answer) => {
    let said = "";
    answer.setEncoding("utf8");
    answer.on("data", (chunk: string) => {
      said += chunk.slice(0, most - said.length);
    });
    answer.on("error", fail);
    answer.on("end", () =>
      resolve({
        status: answer.statusCode ?? 0,
        said: without(token, said)
          .replaceAll(/[^\x20-\x7e]+/g, " ")
          .slice(0, EXCERPT),
      }),
    );
  });
  // Errors name the address, never what was sent.
  function fail(error: Error): void {
    reject(refused(url.origin, textOf(error)));
  }
  request.on("error", fail);
  request.end(body);
  return promise;
}

/** Some servers tell what they were asked, with all headers: the token is left out, also one that is cut off at the end. */
function without(token: string | undefined, said: string): string {
  if (token === undefined) return said;
  const rest = said.replaceAll(token, "***");
  for (let length = Math.min(token.length - 1, rest.length); length > 0; length--)
    if (rest.endsWith(token.slice(0, length))) return rest.slice(0, -length);
  return rest;
}

function refused(url: string, why: string): TrunklineError {
  return new TrunklineError("sinks.refused", { what: url, why: why.slice(0, EXCERPT) });
}
