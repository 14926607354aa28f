import { describe, expect, it } from "vitest";
import { changeText } from "../../kernel/nft/text.ts";
import { clearText, flowChange, flowPlace, linkNames, probeText, wholeText } from "./table.ts";

const wire = (number: number, ...ips: string[]) => ({ link: `tl${`${number}`.padStart(13, "0")}`, ips });
const one = wire(1, "10.1.0.1", "fd00::1");
const two = wire(2, "10.1.0.2");

describe("the flow table's transactions", () => {
  it("make it anew as a whole, whatever was there", () => {
    const text = wholeText({ wires: [one, two], uplinks: ["eth0"] });
    expect(text.split("\n").slice(0, 3)).toEqual([
      "add table inet trunkline-flow",
      "delete table inet trunkline-flow",
      "add table inet trunkline-flow",
    ]);
    expect(text).toContain(
      'add flowtable inet trunkline-flow flows { hook ingress priority 500; devices = { "eth0", "tl0000000000001", "tl0000000000002" }; }',
    );
    expect(text).toContain(
      'add element inet trunkline-flow flow-own4 { "tl0000000000001" . 10.1.0.1, "tl0000000000002" . 10.1.0.2 }',
    );
    expect(text).toContain('add element inet trunkline-flow flow-own6 { "tl0000000000001" . fd00::1 }');
  });

  it("hand over only what a pod sends from its own address, out by a link that is looked up, and unmarked", () => {
    const rules = wholeText({ wires: [], uplinks: ["eth0"] })
      .split("\n")
      .flatMap((line) => /^add rule inet trunkline-flow (.*)$/.exec(line)?.[1] ?? []);
    expect(rules).toEqual([
      "flow-forward ct state established meta l4proto { tcp, udp } iifname . ip saddr @flow-own4 goto flow-sent",
      "flow-forward ct state established meta l4proto { tcp, udp } iifname . ip6 saddr @flow-own6 goto flow-sent",
      "flow-sent ct status & assured == 0 return",
      "flow-sent meta mark != 0 return",
      "flow-sent oifname != @flow-links return",
      "flow-sent ct direction original flow add @flows",
      "flow-sent ct direction reply ct status & dnat == dnat flow add @flows",
      "flow-sent ct direction reply iifname . ct original ip daddr @flow-own4 flow add @flows",
      "flow-sent ct direction reply iifname . ct original ip6 daddr @flow-own6 flow add @flows",
    ]);
  });

  it("name no more links at once than the kernel takes in a message", () => {
    const wires = Array.from({ length: 450 }, (_, at) => wire(at, "10.1.0.1"));
    const named = [...wholeText({ wires, uplinks: [] }).matchAll(/devices = \{ ([^}]*) \}/g)].map(
      ([, list = ""]) => list.split(", "),
    );
    expect(named.map(({ length }) => length)).toEqual([200, 200, 50]);
    expect(named.flat()).toEqual(linkNames({ wires, uplinks: [] }).map((name) => `"${name}"`));
  });

  it("add and take away single pods", () => {
    const { sets, links } = flowChange([two], [one]);
    expect(changeText(flowPlace, sets, links).trim().split("\n")).toEqual([
      'delete element inet trunkline-flow flow-links { "tl0000000000001" }',
      'delete element inet trunkline-flow flow-own4 { "tl0000000000001" . 10.1.0.1 }',
      'delete element inet trunkline-flow flow-own6 { "tl0000000000001" . fd00::1 }',
      'add element inet trunkline-flow flow-links { "tl0000000000002" }',
      'add element inet trunkline-flow flow-own4 { "tl0000000000002" . 10.1.0.2 }',
      'add flowtable inet trunkline-flow flows { hook ingress priority 500; devices = { "tl0000000000002" }; }',
    ]);
    expect(flowChange([], [])).toMatchObject({ sets: [], links: { links: [] } });
  });

  it("leave nothing behind where they only ask", () => {
    expect(probeText().trim().split("\n").at(-1)).toBe("delete table inet trunkline-flow-probe");
    expect(clearText()).toBe("add table inet trunkline-flow\ndelete table inet trunkline-flow\n");
  });
});
