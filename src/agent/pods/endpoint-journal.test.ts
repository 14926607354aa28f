import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Logger } from "../../base/log.ts";
import type { Endpoint } from "./endpoint.ts";
import { EndpointJournal } from "./endpoint-journal.ts";

let folder: string;
let said: string[];
const logger: Logger = {
  debug() {},
  info: (_facts, message) => said.push(message),
  warn() {},
  error: (_facts, message) => said.push(`error: ${message}`),
};
const file = () => path.join(folder, "endpoints.journal");
const open = () => new EndpointJournal(folder, logger);

function endpoint(containerId: string, phase: Endpoint["phase"] = "ready"): Endpoint {
  return {
    containerId,
    ifName: "eth0",
    network: "n",
    netns: "/x",
    netnsId: "1:2",
    pod: undefined,
    hostInterface: "tl0",
    ips: ["10.1.0.1"],
    phase,
  };
}

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-journal-"));
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("EndpointJournal", () => {
  it("holds what was put and not removed, over restarts", () => {
    const first = open();
    first.put(endpoint("a", "adding"));
    first.put(endpoint("b"));
    first.put(endpoint("a"));
    first.remove(endpoint("b"));
    first.remove(endpoint("never"));
    const second = open();
    expect([...second.live]).toEqual([["a/eth0", endpoint("a")]]);
    second.put(endpoint("c"));
    expect([...open().live.keys()]).toEqual(["a/eth0", "c/eth0"]);
    expect(said).toEqual([]);
  });

  it("drops a torn last line, and writes on behind a whole one", () => {
    open().put(endpoint("a"));
    appendFileSync(file(), '{"put":{"containerId":"b","ifN');
    const journal = open();
    expect([...journal.live.keys()]).toEqual(["a/eth0"]);
    expect(said).toEqual(["the journal's last line is torn"]);
    journal.put(endpoint("c"));
    expect([...open().live.keys()]).toEqual(["a/eth0", "c/eth0"]);
  });

  it("goes on after a damaged line in the middle, and tells of it", () => {
    const journal = open();
    for (const name of ["a", "b", "c"]) journal.put(endpoint(name));
    const lines = readFileSync(file(), "utf8").split("\n");
    lines[1] = "garbage";
    writeFileSync(file(), lines.join("\n"));
    expect([...open().live.keys()]).toEqual(["a/eth0", "c/eth0"]);
    expect(said).toEqual(["error: a line of the journal cannot be read"]);
  });

  it("does not grow with what is over, and leaves no other file", () => {
    const journal = open();
    journal.put(endpoint("kept"));
    for (let i = 0; i < 3000; i++) {
      journal.put(endpoint("passing"));
      journal.remove(endpoint("passing"));
    }
    expect(readFileSync(file(), "utf8").split("\n").length).toBeLessThan(1100);
    expect([...open().live.keys()]).toEqual(["kept/eth0"]);
    expect(readdirSync(folder)).toEqual(["endpoints.journal"]);
  });
});
