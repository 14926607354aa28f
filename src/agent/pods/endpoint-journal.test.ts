import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeLine } from "../../base/journal/lines.ts";
import type { Logger } from "../../base/log.ts";
import { type Endpoint, hostInterfaceName } from "./endpoint.ts";
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
    hostInterface: hostInterfaceName(containerId, "eth0"),
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

  it("drops a torn last line, is in doubt, and writes on behind a whole one", () => {
    open().put(endpoint("a"));
    expect(open().doubtful).toBe(false);
    appendFileSync(file(), encodeLine({ put: endpoint("b") }).slice(0, 40));
    const journal = open();
    expect([...journal.live.keys()]).toEqual(["a/eth0"]);
    expect(journal.doubtful).toBe(true);
    journal.put(endpoint("c"));
    const after = open();
    expect([...after.live.keys()]).toEqual(["a/eth0", "c/eth0"]);
    expect(after.doubtful).toBe(false);
  });

  it("reads what was written before lines had checksums", () => {
    const lines = [
      { put: endpoint("a", "adding") },
      { put: endpoint("a") },
      { put: endpoint("b") },
      { gone: "b/eth0" },
    ];
    writeFileSync(file(), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const journal = open();
    expect([...journal.live]).toEqual([["a/eth0", endpoint("a")]]);
    expect(journal.doubtful).toBe(false);
    expect([...open().live]).toEqual([["a/eth0", endpoint("a")]]);
  });

  const { hostInterface: _, ...lacking } = endpoint("b");
  it.each<[string, string]>([
    ["garbage", "garbage\n"],
    ["null", "null\n"],
    ["null with a checksum", encodeLine(null)],
    ["an empty line", "\n"],
    ["zeros", `${"\0".repeat(80)}\n`],
    ["an endpoint that lacks a field", encodeLine({ put: lacking })],
    ["an endpoint without a phase that there is", encodeLine({ put: { ...endpoint("b"), phase: "done" } })],
    ["an endpoint with no address for one", encodeLine({ put: { ...endpoint("b"), ips: ["10.1.0"] } })],
    [
      "an endpoint with another one's interface",
      encodeLine({ put: { ...endpoint("b"), hostInterface: "tl0" } }),
    ],
    ["a pod that is none", encodeLine({ put: { ...endpoint("b"), pod: { name: 1 } } })],
    ["a flipped letter", encodeLine({ put: endpoint("b") }).replace("eth0", "eth1")],
    ["nothing that is known", encodeLine({ came: "b/eth0" })],
    ["a departure without a name", encodeLine({ gone: 1 })],
  ])("goes on after a damaged line, keeps it, and tells of it: %s", (_what, bad) => {
    const whole = encodeLine({ put: endpoint("a") }) + bad + encodeLine({ put: endpoint("c") });
    writeFileSync(file(), whole);
    const journal = open();
    expect([...journal.live.keys()]).toEqual(["a/eth0", "c/eth0"]);
    expect(journal.doubtful).toBe(true);
    expect(said).toEqual([expect.stringMatching(/^error: the journal of pods' interfaces is damaged/)]);
    expect(readFileSync(`${file()}.damaged-1`, "utf8")).toBe(whole);
    expect(journal.damage).toMatch(
      /^line 2 of .*endpoints.journal cannot be read; .* kept as .*\.damaged-1$/,
    );
    expect([...open().live.keys()]).toEqual(["a/eth0", "c/eth0"]);
  });

  it("keeps the last copies of damaged files, and no more", () => {
    for (let n = 1; n <= 8; n++) {
      writeFileSync(file(), `damage ${n}\n`);
      open();
    }
    const copies = readdirSync(folder).filter((name) => name.includes("damaged"));
    expect(copies.map((name) => readFileSync(path.join(folder, name), "utf8"))).toEqual(
      [4, 5, 6, 7, 8].map((n) => `damage ${n}\n`),
    );
  });

  it("begins nothing on a full disk, ends what ends, and catches up when there is room", () => {
    vi.useFakeTimers();
    try {
      const before = open();
      for (const name of ["a", "b"]) before.put(endpoint(name));
      before.close();
      const journal = open();
      // Every write to it fails with ENOSPC; and nothing can be put in its place.
      rmSync(file());
      symlinkSync("/dev/full", file());
      mkdirSync(`${file()}.new`);
      expect(() => journal.put(endpoint("c", "adding"))).toThrow(
        expect.objectContaining({ code: "agent.journal", message: expect.stringContaining(file()) }),
      );
      expect(() => journal.put(endpoint("a", "adding"))).toThrow(
        expect.objectContaining({ code: "agent.journal" }),
      );
      expect(journal.fault).toContain(folder);
      journal.note(endpoint("a", "deleting"));
      journal.remove(endpoint("b"));
      expect([...journal.live]).toEqual([["a/eth0", endpoint("a", "deleting")]]);
      vi.advanceTimersByTime(5000);
      expect(journal.fault).toBeDefined();
      rmdirSync(`${file()}.new`);
      vi.advanceTimersByTime(1000);
      expect(journal.fault).toBeUndefined();
      expect([...open().live]).toEqual([["a/eth0", endpoint("a", "deleting")]]);
      journal.put(endpoint("c"));
      expect([...open().live.keys()]).toEqual(["a/eth0", "c/eth0"]);
      journal.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("starts on a disk that can be neither read nor written, and keeps what it could not read", () => {
    mkdirSync(file());
    const journal = open();
    expect(journal.doubtful).toBe(true);
    expect(journal.fault).toContain(file());
    journal.close();
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
