// A server of ours that plays the part of an API server, one after another.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach } from "vitest";
import type { Store } from "../store.ts";
import type { Access } from "./access.ts";
import { type KubernetesOptions, kubernetesStore } from "./store.ts";

export type Part = (request: IncomingMessage, response: ServerResponse) => void;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

export async function play(
  part: Part,
  timeoutMs = 300,
  { token, ...options }: KubernetesOptions & Pick<Access, "token"> = {},
): Promise<{ readonly store: Store; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/api/v1") {
      json(response, 200, { resources: [{ name: "configmaps", kind: "ConfigMap" }] });
      return;
    }
    asked.push(`${request.method} ${request.url}`);
    part(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const store = kubernetesStore(
    { server: `http://127.0.0.1:${port}`, base: "", insecure: false, ...(token && { token }) },
    { timeoutMs, ...options },
  );
  closing.push(
    () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
    () => store.close(),
  );
  return { store, asked };
}

export function json(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

export const status = (code: number, reason: string) => ({ kind: "Status", code, reason, message: reason });
export const object = (name: string, version: string) => ({
  metadata: { name, namespace: "a", uid: name, resourceVersion: version },
});
export const line = (type: string, one: object) => `${JSON.stringify({ type, object: one })}\n`;
export const isWatch = (request: IncomingMessage) => request.url?.includes("watch=true") === true;
export const noStreams: Part = (_request, response) =>
  response.writeHead(200).end(line("ERROR", status(500, "RequestWatchProgress is disabled")));
