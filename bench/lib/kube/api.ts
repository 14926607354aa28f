// A client of the API server for benches: of its own, so that what is measured is no part of the measure. Times are of `now`.
import { readFileSync } from "node:fs";
import { Agent, type RequestOptions, request } from "node:https";
import { json, text } from "node:stream/consumers";
import type { KubeObject } from "../../../src/api/object.ts";

/** Milliseconds of the kernel's monotonic clock, which packets' times are of, too. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: T;
}

/** When a request was sent, and when its answer had come. */
export interface Asked<T> {
  readonly sent: number;
  readonly answered: number;
  readonly object: T;
}

interface Kubeconfig {
  readonly clusters: readonly [{ cluster: { server: string; "certificate-authority": string } }];
  readonly users: readonly [{ user: { token: string } }];
}

export class Api {
  readonly #options: RequestOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: Agent;

  /** @param kubeconfig a file as scripts/cluster/control-plane.ts writes it */
  constructor(kubeconfig: string) {
    const { clusters, users } = JSON.parse(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
    const { server, "certificate-authority": ca } = clusters[0].cluster;
    const { hostname, port } = new URL(server);
    this.#agent = new Agent({ keepAlive: true, ca: readFileSync(ca) });
    this.#headers = { authorization: `Bearer ${users[0].user.token}` };
    this.#options = { hostname, port, agent: this.#agent, headers: this.#headers };
  }

  get<T extends object>(path: string): Promise<Asked<T>> {
    return this.#ask("GET", path);
  }

  /** Returns what is no JSON. */
  text(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      request({ ...this.#options, path }, (response) => void text(response).then(resolve, reject))
        .on("error", reject)
        .end();
    });
  }

  create<T extends object = KubeObject>(path: string, object: object): Promise<Asked<T>> {
    return this.#ask("POST", path, object, "application/json");
  }

  /** RFC 7386. */
  patch<T extends object = KubeObject>(path: string, merge: object): Promise<Asked<T>> {
    return this.#ask("PATCH", path, merge, "application/merge-patch+json");
  }

  delete(path: string): Promise<Asked<object>> {
    return this.#ask("DELETE", path);
  }

  /**
   * Tells a list's objects as ADDED, and then what happens to them, as it comes.
   * @returns what ends it, once the list is told
   */
  async watch<T extends KubeObject>(path: string, tell: (event: WatchEvent<T>) => void): Promise<() => void> {
    const { object } = await this.get<{ metadata: { resourceVersion: string }; items: T[] }>(path);
    for (const item of object.items) tell({ type: "ADDED", object: item });
    const from = `?watch=true&resourceVersion=${object.metadata.resourceVersion}`;
    return new Promise((resolve, reject) => {
      // A connection of its own: requests are not to wait for it.
      const asked = request({
        ...this.#options,
        agent: false,
        ca: this.#agent.options.ca,
        path: path + from,
      });
      asked.on("error", reject);
      asked.on("response", (response) => {
        let rest = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          const lines = (rest + chunk).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) tell(JSON.parse(line) as WatchEvent<T>);
        });
        response.on("error", () => undefined);
        resolve(() => void asked.destroy());
      });
      asked.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #ask<T extends object>(method: string, path: string, body?: object, type?: string): Promise<Asked<T>> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = { ...this.#headers, ...(type !== undefined && { "content-type": type }) };
    return new Promise((resolve, reject) => {
      const asked = request({ ...this.#options, method, path, headers }, (response) => {
        const answered = now();
        const code = response.statusCode ?? 0;
        if (code < 300)
          json(response).then((object) => resolve({ sent, answered, object: object as T }), reject);
        else text(response).then((said) => reject(new Error(`${method} ${path}: ${code} ${said}`)), reject);
      });
      asked.on("error", reject);
      const sent = now();
      asked.end(payload);
    });
  }
}
