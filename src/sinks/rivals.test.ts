import { describe, expect, it } from "vitest";
import type { AddressList, AddressListSink } from "../api/kinds/address-list.ts";
import { isAtController } from "./places.ts";
import { rivalOf } from "./rivals.ts";

type How = Omit<AddressListSink, "name">;

function list(name: string, creationTimestamp: string, ...sinks: readonly How[]): AddressList {
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressList",
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp },
    spec: { for: [{}], to: "10.9.9.9", sinks: sinks.map((sink, at) => ({ name: `s${at}`, ...sink })) },
  };
}

function rival(lists: readonly AddressList[], own: AddressList, at = 0) {
  const found = rivalOf(lists, isAtController, own, own.spec.sinks![at]!);
  return found && `${found.list}/${found.sink}`;
}

const file = { file: { path: "/srv/t" } };
const nft = (ipv4Set: string, ipv6Set?: string): How => ({
  nft: { family: "inet", table: "guard", ipv4Set, ...(ipv6Set !== undefined && { ipv6Set }) },
});
const rds = (listName?: string): How => ({
  rds: { region: "r", instance: "i", ...(listName !== undefined && { listName }) },
});
const group = (ports: string): How => ({ securityGroup: { region: "r", group: "g", ports } });

describe("a sink's rival", () => {
  it("is that of the oldest list, and of as old ones the first by name", () => {
    const [a, b, c] = [list("a", "2026-02", file), list("b", "2026-01", file), list("c", "2026-01", file)];
    const all = [a, c, b];
    expect(all.map((one) => rival(all, one))).toEqual(["b/s0", "b/s0", undefined]);
  });

  it.each<[string, How, How, boolean]>([
    ["files of one path, however they are written", file, { nginx: { path: "/srv/t" } }, true],
    ["a file and another", file, { file: { path: "/srv/u" } }, false],
    ["sets, one of which is the same", nft("x", "y"), nft("z", "y"), true],
    ["sets of other names", nft("x", "y"), nft("y", "x"), true],
    ["sets of one table", nft("x"), nft("y"), false],
    ["blocks of one pg_hba.conf", { postgres: { path: "/p" } }, { postgres: { path: "/p" } }, false],
    ["lists of an instance that are named after theirs", rds(), rds(), false],
    ["a list of an instance that both name", rds("l"), rds("l"), true],
    ["rules of one group", group("80/80"), group("80/80"), false],
  ])("of two lists: %s", (_, one, other, is) => {
    const [a, b] = [list("a", "1", one), list("b", "2", other)];
    expect(rival([a, b], b)).toBe(is ? "a/s0" : undefined);
    expect(rival([a, b], a)).toBeUndefined();
  });

  it("is on the same machine", () => {
    const own = list("b", "2", file);
    expect(rival([list("a", "1", { host: "db", ...file }), own], own)).toBeUndefined();
  });

  it("is an earlier one of the same list, where the list has one part of the place", () => {
    const both = list("a", "1", group("80/80"), group("81/81"));
    expect([0, 1].map((at) => rival([both], both, at))).toEqual([undefined, "a/s0"]);
    const hba = list("a", "1", { postgres: { path: "/p" } }, { postgres: { path: "/p", users: ["u"] } });
    expect(rival([hba], hba, 1)).toBe("a/s0");
  });
});
