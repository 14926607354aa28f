// Real kube-proxies on a lab's nodes. What they ask an API server for (Services, EndpointSlices, their Node) they are
// told out of the lab's store, on loopback of each node's own namespace.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { nodeKind } from "../../src/api/kinds/core.ts";
import { endpointSliceKind, serviceKind } from "../../src/api/kinds/service.ts";
import { serviceCidrKind } from "../../src/api/kinds/service-cidr.ts";
import type { Kind, KubeObject } from "../../src/api/object.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../src/kernel/index.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";
import { kubeFolder } from "./api-server.ts";

export type Mode = "iptables" | "nftables";

const port = 18_080;
const kinds: Readonly<Record<string, Kind>> = {
  "/api/v1/services": serviceKind,
  "/api/v1/nodes": nodeKind,
  "/apis/discovery.k8s.io/v1/endpointslices": endpointSliceKind,
  "/apis/networking.k8s.io/v1/servicecidrs": serviceCidrKind,
};

/** Returns kube-proxy's executable. @throws if it was not built (scripts/cluster/build.sh) */
function binary(): string {
  const file = path.join(kubeFolder(), "kube-proxy");
  if (!existsSync(file)) throw new Error(`${file} is not there: run scripts/cluster/build.sh`);
  return file;
}

export class KubeProxies {
  readonly #store: Store;
  readonly #proxies = new Map<string, { child: ChildProcess; server: http.Server; log: () => string }>();

  /** @param store path of a lab's store */
  constructor(store: string) {
    this.#store = openSqliteStore(store);
  }

  /** Starts a node's kube-proxy. @param more further arguments */
  async start(node: string, netns: string, mode: Mode, more: readonly string[] = []): Promise<void> {
    const machine = linuxMachine();
    const kernel = machine.open({ name: netns });
    const server = http.createServer((request, response) => void this.#answer(request, response));
    server.listen({ fd: kernel.sockets.listenTcp("127.0.0.1", port) });
    kernel.close();
    await once(server, "listening");
    const words = ["netns", "exec", netns, binary(), `--master=http://127.0.0.1:${port}`];
    const own = [`--hostname-override=${node}`, `--proxy-mode=${mode}`, "--conntrack-max-per-core=0"];
    const served = ["--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249"];
    const child = spawn("ip", [...words, ...own, "--oom-score-adj=0", ...served, ...more], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (log += text));
    this.#proxies.set(node, { child, server, log: () => log });
  }

  log(node: string): string {
    return this.#proxies.get(node)?.log() ?? "";
  }

  /** Ends a node's kube-proxy; its rules stay, as they do when it dies. */
  async stop(node: string): Promise<void> {
    const proxy = this.#proxies.get(node);
    if (!proxy) return;
    this.#proxies.delete(node);
    const ended = proxy.child.exitCode === null ? once(proxy.child, "exit") : undefined;
    proxy.child.kill("SIGKILL");
    await ended;
    proxy.server.closeAllConnections();
    await new Promise((resolve) => proxy.server.close(resolve));
  }

  /** Ends a node's kube-proxy and takes its rules away. */
  async clean(node: string, netns: string): Promise<void> {
    await this.stop(node);
    await run(binary(), ["--cleanup"], { netns: { name: netns }, codes: "any" });
  }

  async end(): Promise<void> {
    for (const node of Array.from(this.#proxies.keys())) await this.stop(node);
    await this.#store.close();
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const say = (code: number, body: object) =>
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
    const named = /^(\/api\/v1\/nodes)\/([^/]+)$/.exec(url.pathname);
    const kind = kinds[named?.[1] ?? url.pathname];
    const status = { kind: "Status", apiVersion: "v1", status: "Failure" };
    // Events among others: nobody reads them.
    if (!kind || request.method !== "GET")
      return void say(404, { ...status, reason: "NotFound", code: 404, message: "not served" });
    const wanted = /^metadata\.name=(.*)$/.exec(url.searchParams.get("fieldSelector") ?? "")?.[1];
    const isMeant = ({ metadata }: KubeObject) => wanted === undefined || metadata.name === wanted;
    if (named) {
      const found = await this.#store.get(kind, named[2] ?? "");
      return void (found ? say(200, found) : say(404, { ...status, reason: "NotFound", code: 404 }));
    }
    if (url.searchParams.get("watch") === null) {
      const { items, revision } = await this.#store.list(kind);
      return void say(200, {
        kind: `${kind.kind}List`,
        apiVersion: kind.apiVersion,
        metadata: { resourceVersion: revision },
        items: items.filter(isMeant),
      });
    }
    // Lists in a watch are asked for first, and gone without where they are refused.
    if (url.searchParams.get("sendInitialEvents") !== null)
      return void say(422, { ...status, reason: "Invalid", code: 422, message: "no streaming lists" });
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const over = new AbortController();
    response.on("close", () => over.abort());
    const from = url.searchParams.get("resourceVersion") ?? "0";
    try {
      for await (const event of this.#store.watch(kind, { from, signal: over.signal }))
        if (event.type !== "bookmark" && isMeant(event.object))
          response.write(`${JSON.stringify({ type: event.type.toUpperCase(), object: event.object })}\n`);
    } catch {
      // Its history is gone: whoever watches lists again.
    }
    response.end();
  }
}
