import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isError, textOf } from "../../base/errors.ts";
import { Credentials } from "./credentials.ts";

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("keys to the provider", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "credentials-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("are of the environment", async () => {
    const environment = { ALIBABA_CLOUD_ACCESS_KEY_ID: "i", ALIBABA_CLOUD_ACCESS_KEY_SECRET: "s" };
    const source = { from: "env" } as const;
    expect(await new Credentials({ source, environment }).keys()).toEqual({ id: "i", secret: "s" });
    const lent = { ...environment, ALIBABA_CLOUD_SECURITY_TOKEN: "t" };
    expect(await new Credentials({ source, environment: lent }).keys()).toMatchObject({ token: "t" });
    const failure = await failureOf(
      new Credentials({ source, environment: { ALIBABA_CLOUD_ACCESS_KEY_SECRET: "hush" } }).keys(),
    );
    expect(isError(failure, "cloud.credentials")).toBe(true);
    expect(textOf(failure)).not.toContain("hush");
  });

  it("are of a mounted Secret, and read anew when it may have changed", async () => {
    let now = 0;
    const credentials = new Credentials({ source: { from: "folder", folder }, now: () => now });
    expect(textOf(await failureOf(credentials.keys()))).toMatch(/access-key-id: ENOENT/);
    writeFileSync(path.join(folder, "access-key-id"), "i\n");
    writeFileSync(path.join(folder, "access-key-secret"), "s\n");
    expect(await credentials.keys()).toEqual({ id: "i", secret: "s" });
    writeFileSync(path.join(folder, "access-key-secret"), "new\n");
    expect(await credentials.keys()).toEqual({ id: "i", secret: "s" });
    now = 61_000;
    expect(await credentials.keys()).toEqual({ id: "i", secret: "new" });
    expect(inspect(credentials, { depth: 9, showHidden: true })).not.toContain("new");
    expect(JSON.stringify(credentials)).not.toContain("new");
  });

  describe("are of the machine's role", () => {
    let server: Server;
    let url = "";
    let answers: Record<string, string>;
    let asked: string[];
    const END = 3_600_000;
    beforeEach(async () => {
      asked = [];
      answers = {
        "PUT /latest/api/token": "session",
        "GET /latest/meta-data/ram/security-credentials/": "node-role\n",
        "GET /latest/meta-data/ram/security-credentials/node-role": JSON.stringify({
          AccessKeyId: "STS.i",
          AccessKeySecret: "hush",
          SecurityToken: "t",
          Expiration: new Date(END).toISOString(),
          Code: "Success",
        }),
      };
      server = createServer((request, response) => {
        const line = `${request.method} ${request.url}`;
        asked.push(line);
        const isAllowed =
          request.method === "PUT" || request.headers["x-aliyun-ecs-metadata-token"] === "session";
        const text = isAllowed ? answers[line] : undefined;
        response.writeHead(text === undefined ? 404 : 200);
        response.end(text ?? "hush");
      });
      await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve);
      });
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(
      () =>
        new Promise<void>((resolve) => {
          server.closeAllConnections();
          server.close(() => resolve());
        }),
    );

    it("asked for by session, kept, and asked for anew before they end", async () => {
      let now = 0;
      const credentials = new Credentials({ source: { from: "ram-role" }, metadataUrl: url, now: () => now });
      const both = await Promise.all([credentials.keys(), credentials.keys()]);
      expect(both).toEqual([both[0], { id: "STS.i", secret: "hush", token: "t" }]);
      expect(asked).toHaveLength(3);
      now = END - 301_000;
      await credentials.keys();
      expect(asked).toHaveLength(3);
      now = END - 299_000;
      await credentials.keys();
      expect(asked).toHaveLength(6);
    });

    it("by its name, if one is given; what the metadata says is not repeated", async () => {
      const source = { from: "ram-role", role: "node-role" } as const;
      expect(await new Credentials({ source, metadataUrl: url, now: () => 0 }).keys()).toMatchObject({
        id: "STS.i",
      });
      expect(asked).toHaveLength(2);
      const missing = await failureOf(
        new Credentials({ source: { from: "ram-role", role: "none" }, metadataUrl: url }).keys(),
      );
      expect(textOf(missing)).toMatch(/status 404/);
      expect(textOf(missing)).not.toContain("hush");
      // In force no more.
      expect(
        textOf(await failureOf(new Credentials({ source, metadataUrl: url, now: () => END + 1 }).keys())),
      ).toMatch(/in force/);
    });

    it("says so where there is no metadata", async () => {
      const credentials = new Credentials({
        source: { from: "ram-role" },
        metadataUrl: "http://127.0.0.1:1",
      });
      expect(textOf(await failureOf(credentials.keys()))).toMatch(/cannot be reached/);
    });
  });
});
