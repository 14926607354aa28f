import { describe, expect, it } from "vitest";
import { parseCidr } from "../../base/ip.ts";
import { parseNftJson } from "../snat/foreign/parse-nft.ts";
import { forwardStops } from "./stops.ts";

const pods = [parseCidr("10.244.0.0/16")];
const at = { family: "inet", table: "fw" };
const base = (policy: string, more: object = {}) => ({
  chain: { ...at, name: "forward", type: "filter", hook: "forward", prio: 0, policy, ...more },
});
const rule = (...expr: object[]) => ({ rule: { ...at, chain: "forward", handle: 1, expr } });
const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const daddr = (addr: string, len: number) =>
  match({ payload: { protocol: "ip", field: "daddr" } }, { prefix: { addr, len } });
const saddr = (addr: string, len: number) =>
  match({ payload: { protocol: "ip", field: "saddr" } }, { prefix: { addr, len } });
const inBy = (name: string) => match({ meta: { key: "iifname" } }, name);
const established = match({ ct: { key: "state" } }, ["established", "related"], "in");
const accept = { accept: null };
const stops = (...objects: object[]) =>
  forwardStops(parseNftJson(objects as Record<string, unknown>[]), pods).map(
    ({ chain, family }) => `${chain} ${family}`,
  );

describe("a chain of another table on the forward hook", () => {
  it.each([
    ["drops by policy", [base("drop")], ["forward 4"]],
    ["accepts by policy", [base("accept")], []],
    ["accepts answers only", [base("drop"), rule(established, accept)], ["forward 4"]],
    ["accepts other links only", [base("drop"), rule(inBy("eth*"), accept)], ["forward 4"]],
    ["accepts pods' links", [base("drop"), rule(inBy("tl*"), accept)], []],
    ["accepts pods' addresses", [base("drop"), rule(saddr("10.244.0.0", 16), accept)], []],
    ["accepts a part of the pods", [base("drop"), rule(saddr("10.244.0.0", 24), accept)], []],
    ["accepts what goes to some place", [base("drop"), rule(daddr("192.168.0.0", 16), accept)], []],
    ["accepts others' addresses only", [base("drop"), rule(saddr("172.17.0.0", 16), accept)], ["forward 4"]],
    [
      "rejects all in the end",
      [base("accept"), rule(established, accept), rule({ reject: null })],
      ["forward 4"],
    ],
    ["may accept, by what is not known", [base("drop"), rule({ limit: {} }, accept)], []],
    ["hangs on another hook", [base("drop", { hook: "input" })], []],
  ])("%s", (_, objects, expected) => expect(stops(...objects)).toEqual(expected));

  it("is told with the commands that let pods pass", () => {
    const [found] = forwardStops(parseNftJson([base("drop")]), pods);
    expect(found?.commands).toEqual([
      "nft insert rule inet fw forward ip saddr 10.244.0.0/16 accept",
      "nft insert rule inet fw forward ip daddr 10.244.0.0/16 accept",
    ]);
    const firewalld = { chain: { ...base("drop").chain, table: "firewalld" } };
    expect(forwardStops(parseNftJson([firewalld]), pods)[0]?.commands).toEqual([
      "firewall-cmd --permanent --zone=trusted --add-source=10.244.0.0/16",
      "firewall-cmd --reload",
    ]);
  });
});
