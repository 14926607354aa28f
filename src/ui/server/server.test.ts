import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silent } from "../../base/log.ts";
import { cluster } from "../../explain/cluster.suite.ts";
import { fakeSources } from "../sources.suite.ts";
import type { Sources } from "../sources.ts";
import { type Served, serveUi } from "./server.ts";

const token = "t".repeat(43);
const pages = new Map([["/", { type: "text/html; charset=utf-8", body: Buffer.from("<!doctype html>") }]]);

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

let served: Served;
let failing: Sources["lists"] = async () => [];
const probes: unknown[] = [];
const heard = new Set<(event: { revision: number; kinds: string[] }) => void>();

beforeAll(async () => {
  const sources: Sources = {
    ...fakeSources(cluster()),
    lists: () => failing(),
    probe: async (asked) => {
      probes.push(asked);
      return { ...asked, port: "80/tcp", reachable: true, sourceSeen: null, latencyMs: 1, error: null };
    },
    onChange: (listener) => {
      heard.add(listener as never);
      return () => heard.delete(listener as never);
    },
  };
  served = await serveUi({ sources, pages, token, address: "127.0.0.1", port: 0, logger: silent });
});
afterAll(() => served.close());

interface Options {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Not fetch: that lets nobody set Host and Origin. */
function ask(path: string, { method = "GET", headers = {}, body }: Options = {}): Promise<Answer> {
  const { port } = served;
  const all = { host: `127.0.0.1:${port}`, authorization: `Bearer ${token}`, ...headers };
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, method, headers: all }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

const codeOf = ({ body }: Answer) => (JSON.parse(body) as { error: { code: string } }).error.code;

describe("who may ask", () => {
  it("gives the page to everybody who comes by a name of this server, with nothing inline or from outside", async () => {
    const { status, headers } = await ask("/?page=ask", { headers: { authorization: "" } });
    expect(status).toBe(200);
    expect(headers["content-security-policy"]).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    expect(headers["content-security-policy"]).not.toMatch(/unsafe|http|\*/);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  });

  it.each(["", "Bearer ", `Bearer ${"u".repeat(43)}`, token, `Basic ${token}`])(
    "answers nothing with the authorization '%s'",
    async (authorization) => {
      for (const path of ["/api/v1/about", "/api/v1/map", "/api/v1/events", "/api/v1/nothing"]) {
        const answer = await ask(path, { headers: { authorization } });
        expect([answer.status, codeOf(answer)]).toEqual([401, "ui.token"]);
      }
    },
  );

  it.each([
    ["host", "rebound.example:80", 421],
    ["host", "rebound.example", 421],
    ["host", "127.0.0.1", 421],
    ["origin", "https://elsewhere.example", 403],
    ["origin", "null", 403],
    ["sec-fetch-site", "cross-site", 403],
    ["sec-fetch-site", "same-site", 403],
  ])("refuses %s '%s', also with the token, and also the page itself", async (name, value, status) => {
    for (const path of ["/api/v1/about", "/"])
      expect(await ask(path, { headers: { [name]: value } })).toMatchObject({ status });
  });

  it("takes its own origin, and localhost", async () => {
    const host = `localhost:${served.port}`;
    const headers = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" };
    expect(await ask("/api/v1/about", { headers })).toMatchObject({ status: 200 });
  });
});

describe("questions", () => {
  it("says where there is nothing, and what is not for reading", async () => {
    expect(await ask("/api/v2/about")).toMatchObject({ status: 404 });
    expect(await ask("/api/v1/constructor")).toMatchObject({ status: 404 });
    expect(await ask("/../package.json")).toMatchObject({ status: 404 });
    expect(await ask("/api/v1/map", { method: "DELETE" })).toMatchObject({ status: 405 });
    expect(await ask("/api/v1/probe")).toMatchObject({ status: 405 });
  });

  it("puts errors into a code and words", async () => {
    const answer = await ask("/api/v1/explain?from=pod/wep&to=pod/db:3306");
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toEqual({
      error: { code: "explain.unknown-end", message: expect.stringContaining("pod/default/web") as string },
    });
    expect(codeOf(await ask("/api/v1/explain?from=pod/web"))).toBe("ui.missing");
    failing = () => Promise.reject(new RangeError("unforeseen"));
    expect(codeOf(await ask("/api/v1/lists"))).toBe("internal");
    failing = async () => [];
  });

  it("sends a probe for JSON of this page alone", async () => {
    const body = JSON.stringify({ from: "pod/web", to: "pod/db:3306" });
    const asJson = { "content-type": "application/json" };
    const refused = [
      await ask("/api/v1/probe", { method: "POST", body, headers: { "content-type": "text/plain" } }),
      await ask("/api/v1/probe", { method: "POST", body: "{", headers: asJson }),
      await ask("/api/v1/probe", { method: "POST", body: `{"from":["a"],"to":"b"}`, headers: asJson }),
      await ask("/api/v1/probe", { method: "POST", body: " ".repeat(5000), headers: asJson }),
    ];
    expect(refused.map(codeOf)).toEqual(Array(4).fill("ui.body"));
    expect(probes).toEqual([]);
    expect(await ask("/api/v1/probe", { method: "POST", body, headers: asJson })).toMatchObject({
      status: 200,
    });
    expect(probes).toEqual([{ from: "pod/web", to: "pod/db:3306" }]);
  });

  it("tells of changes until the reader goes", async () => {
    const { port } = served;
    const headers = { authorization: `Bearer ${token}` };
    const texts: string[] = [];
    const asked = request({ host: "127.0.0.1", port, path: "/api/v1/events", headers }, (response) => {
      expect(response.headers["content-type"]).toContain("text/event-stream");
      response.on("data", (chunk: Buffer) => texts.push(chunk.toString()));
      response.on("error", () => undefined);
    });
    asked.on("error", () => undefined);
    asked.end();
    await expect.poll(() => heard.size).toBe(1);
    for (const listener of heard) listener({ revision: 7, kinds: ["pods"] });
    await expect
      .poll(() => texts.join(""))
      .toContain('event: change\ndata: {"revision":7,"kinds":["pods"]}\n\n');
    asked.destroy();
    await expect.poll(() => heard.size).toBe(0);
  });
});

it("answers from one picture of objects and plans", async () => {
  const answer = await ask("/api/v1/explain?from=pod/web&to=pod/db:3306");
  expect(JSON.parse(answer.body)).toMatchObject({
    verdict: "yes",
    headline: "allowed",
    explanation: { from: { of: "pod/default/web" }, to: { of: "pod/default/db" }, port: "3306/tcp" },
  });
  expect(answer.headers["cache-control"]).toBe("no-store");
});
