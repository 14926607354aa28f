import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "../../../base/log.ts";
import { type OwnInterface, PoolBook } from "./pool-book.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-book-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = () => new PoolBook(folder, { now: () => 0, restMs: 0, logger: silent });
const one: OwnInterface = {
  id: "eni-1",
  mac: "02:00:00:00:00:01",
  vSwitchID: "vsw-1",
  cidr: "10.1.0.0/24",
  gateway: "10.1.0.1",
  securityGroupIDs: [],
  hash: "h",
  slot: 1,
  addresses: ["10.1.0.9"],
};

describe("the list of a node's interfaces", () => {
  it("comes back as it was written, and nothing else lies beside it", () => {
    open().put(one);
    expect([...open().interfaces.values()]).toEqual([one]);
    expect(readdirSync(folder)).toEqual(["interfaces.json"]);
  });

  it.each(["null", "{}", "[null]", '[{"id":"eni-1"}]', "garbage", "\0\0\0"])(
    "that says %j is none, and keeps no agent from starting",
    (text) => {
      writeFileSync(path.join(folder, "interfaces.json"), text);
      expect(open().interfaces.size).toBe(0);
    },
  );

  it("that cannot be read is none", () => {
    mkdirSync(path.join(folder, "interfaces.json"));
    expect(open().interfaces.size).toBe(0);
  });
});
