// An API server for one client, with as many objects as it is told and nothing behind it: lists (as the beginning of a
// watch), watches that tell what that client itself writes, and writes. Run as a program: it prints its port.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json as readJson } from "node:stream/consumers";
import type { KubeObject } from "../../src/api/object.ts";
import { mergePatch } from "../../src/plan/subnets/node-config.ts";
import { bigCluster, type ClusterSize } from "./big-cluster.ts";
import { podFrame } from "./wire-pod.ts";

const REVISION = 1_000_000;
/** Of every group: what a client asks for that is not there is an empty list. */
const plurals = [
  "addressblocks podenis podnetworkings routingconfigurations bgpconfigurations bgppeers bgpfilters nodes namespaces",
  "pods configmaps events hosts securitygroups servicecidrs addresslists nodeconfigs subnetledgers sourcenats leases",
  "secrets subnets ippools networkpolicies",
]
  .join(" ")
  .split(" ");

/** What was written here, by path; and who watches a kind. */
const written = new Map<string, KubeObject>();
const watchers = new Map<string, Set<ServerResponse>>();
let revision = REVISION;

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function serve(size: ClusterSize, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://stub");
  const [, kind = "", namespaced, last] =
    /^\/(?:api\/v1|apis\/[^/]+\/[^/]+)\/(?:namespaces\/[^/]+\/(?=[^/]+(?:\/|$)))?([^/]+)(?:\/([^/]+))?(?:\/(status))?$/.exec(
      url.pathname,
    ) ?? [];
  if (kind === "") {
    const resources = plurals.flatMap((name) => [{ name }, { name: `${name}/status` }]);
    send(response, 200, { resources });
  } else if (request.method === "GET" && url.searchParams.get("sendInitialEvents") === "true") {
    if (kind === "pods" && request.headers.accept?.includes(protobuf)) await listPods(response);
    else await list(size, kind, response);
  } else if (request.method === "GET" && url.searchParams.get("watch") === "true") {
    response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
    const all = watchers.get(kind) ?? new Set();
    watchers.set(kind, all.add(response));
    response.on("close", () => all.delete(response));
  } else if (request.method === "GET" && namespaced === undefined)
    send(response, 200, { metadata: { resourceVersion: `${revision}` }, items: [] });
  else
    await write(
      size,
      kind,
      url.pathname.replace(last === undefined ? "" : /\/status$/, ""),
      request,
      response,
    );
}

const protobuf = "application/vnd.kubernetes.protobuf";
/** Encoded before anybody asks: what it costs is not the agent's. */
let frames: readonly Buffer[] = [];

function encodePods(size: ClusterSize): void {
  const all: Buffer[] = [];
  for (const text of bigCluster(size, "pods")) {
    all.push(podFrame("ADDED", JSON.parse(text) as object));
    if (all.length % 200 === 0) frames = [...frames, Buffer.concat(all.splice(0))];
  }
  const metadata = { resourceVersion: `${REVISION}`, annotations: { "k8s.io/initial-events-end": "true" } };
  frames = [...frames, ...all, podFrame("BOOKMARK", { metadata })];
}

/** Pods are not written here, but for what an agent says of its own, which it hears in JSON. */
async function listPods(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": `${protobuf};stream=watch` });
  for (const frame of frames)
    if (!response.write(frame)) await new Promise((resolve) => response.once("drain", resolve));
  response.end();
}

async function list(size: ClusterSize, kind: string, response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  let text = "";
  const told = async (line: string): Promise<void> => {
    text += line;
    if (text.length < 256 * 1024) return;
    const flowing = response.write(text);
    text = "";
    if (!flowing) await new Promise((resolve) => response.once("drain", resolve));
  };
  for (const object of bigCluster(size, kind)) await told(`{"type":"ADDED","object":${object}}\n`);
  for (const [path, object] of written)
    if (path.includes(`/${kind}/`)) await told(`${JSON.stringify({ type: "ADDED", object })}\n`);
  const annotations = { "k8s.io/initial-events-end": "true" };
  const metadata = { resourceVersion: `${revision}`, annotations };
  response.end(`${text}${JSON.stringify({ type: "BOOKMARK", object: { metadata } })}\n`);
}

type Draft = KubeObject & { readonly metadata: { readonly generateName?: string } };

async function write(
  size: ClusterSize,
  kind: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const listed = (): KubeObject | undefined => {
    const name = `"name":"${path.split("/").at(-1)}"`;
    for (const text of bigCluster(size, kind)) if (text.includes(name)) return JSON.parse(text) as KubeObject;
    return undefined;
  };
  if (request.method === "POST") {
    const draft = (await readJson(request)) as Draft;
    const name = draft.metadata.name ?? `${draft.metadata.generateName}${++revision}`;
    const object = { ...draft, metadata: { ...draft.metadata, name, ...stamp(`${path}/${name}`) } };
    written.set(`${path}/${name}`, object);
    tell(kind, "ADDED", object);
    send(response, 201, object);
    return;
  }
  const known = written.get(path) ?? listed();
  if (known === undefined) send(response, 404, { kind: "Status", code: 404, reason: "NotFound" });
  else if (request.method === "GET") send(response, 200, known);
  else if (request.method === "DELETE") {
    written.delete(path);
    tell(kind, "DELETED", known);
    send(response, 200, known);
  } else {
    const merged = mergePatch(known, await readJson(request)) as KubeObject;
    const object = { ...merged, metadata: { ...merged.metadata, resourceVersion: `${++revision}` } };
    written.set(path, object);
    tell(kind, "MODIFIED", object);
    send(response, 200, object);
  }
}

function stamp(uid: string) {
  return { uid, resourceVersion: `${++revision}`, generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" };
}

function tell(kind: string, type: string, object: KubeObject): void {
  for (const watcher of watchers.get(kind) ?? []) watcher.write(`${JSON.stringify({ type, object })}\n`);
}

if (import.meta.main) {
  const size = JSON.parse(process.argv[2] ?? "{}") as ClusterSize;
  encodePods(size);
  const server = createServer((request, response) => {
    serve(size, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
}
