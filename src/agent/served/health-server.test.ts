import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Gauge, Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askLocal } from "../../base/http.ts";
import { type HealthSources, serveHealth } from "./health-server.ts";

describe("the health server", () => {
  let folder: string;
  let close: (() => Promise<void>) | undefined;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "trunkline-health-"));
  });
  afterEach(async () => {
    await close?.();
    rmSync(folder, { recursive: true, force: true });
  });

  async function ask(sources: Partial<HealthSources>, paths: readonly string[]) {
    const socketPath = path.join(folder, "health.sock");
    const served = await serveHealth(
      { socketPath },
      { notReady: () => [], registry: new Registry(), ...sources },
    );
    close = () => served.close();
    const answers: string[] = [];
    for (const one of paths) {
      const { status, text } = await askLocal({ socketPath, path: one, patienceMs: 2000 });
      answers.push(`${status} ${text.trim()}`);
    }
    return answers;
  }

  it("says what a figure cannot be read for, and serves on", async () => {
    const registry = new Registry();
    new Gauge({
      name: "counted_by_the_kernel",
      help: "x",
      registers: [registry],
      collect: () => Promise.reject(new Error("nft is interrupted")),
    });
    expect(await ask({ registry }, ["/metrics", "/livez"])).toEqual(["500 nft is interrupted", "200 ok"]);
  });

  it("says why readiness cannot be told, and serves on", async () => {
    const notReady = () => {
      throw new Error("no such handle");
    };
    expect(await ask({ notReady }, ["/readyz", "/livez"])).toEqual(["500 no such handle", "200 ok"]);
  });
});
