// Flow tables, in a virtual machine with a kernel that has them: which connections are handed over, that another pod cannot use
// a flow, and that a flow is at an end when it must be.
import { beforeAll, describe, expect, it } from "vitest";
import { SCRIPT_MS, sectionsOf } from "./machine.ts";

interface Told {
  readonly flowTables: readonly {
    readonly node: string;
    readonly offloaded: boolean;
    readonly reason: string;
  }[];
}

describe("flow tables", () => {
  let sections: ReadonlyMap<string, string> = new Map();
  const section = (name: string) => sections.get(name) ?? "";
  const lines = (name: string) => section(name).trim().split("\n");

  beforeAll(async () => {
    sections = await sectionsOf("flow-tables.sh");
  }, SCRIPT_MS);

  it("have the established connections of pods, but for those with a limit; explain says the same", () => {
    const [near = "", far = "", limited = ""] = lines("offloaded");
    for (const flow of [near, far]) expect(flow).toContain("[OFFLOAD]");
    expect(limited).toContain("[ASSURED]");
    const [toNear, toFar, toLimited] = lines("explain").map((line) => (JSON.parse(line) as Told).flowTables);
    expect(toNear).toMatchObject([{ node: "node1", offloaded: true }]);
    expect(toFar).toMatchObject([
      { node: "node1", offloaded: true },
      { node: "node2", offloaded: true },
    ]);
    expect(toLimited).toEqual([
      { node: "node1", offloaded: false, reason: "pod/default/slow: its bandwidth is limited" },
    ]);
  });

  it("let no packet pass that another pod forges, address and port", () => {
    const [other, own, goesOn] = lines("forged");
    expect([other, goesOn]).toEqual(["by the other link: packets 0", "a-b goes on"]);
    // More than once where the machine is slow to answer.
    expect(own).toMatch(/^by its own: packets [1-9]/);
  });

  it("give up a connection that a policy forbids, and no other", () => {
    const [end = "", ...rest] = lines("cut");
    expect(JSON.parse(end)).toMatchObject({ end: expect.stringMatching(/ECONNRESET|closed/) });
    expect(rest).toEqual(["judged anew", "a-c goes on"]);
  });

  it("give up those of a pod that gets a limit", () => {
    const [goesOn, flow] = lines("limited");
    expect(goesOn).toBe("a-c goes on");
    expect(flow).toContain("[ASSURED]");
  });

  it("lose nothing when the agent is killed and comes again", () => {
    const [before, after, again = ""] = lines("killed");
    expect([before, after]).toEqual(["a-c goes on", "a-c goes on"]);
    // An emulated machine that stands still for 0.2 s sends again by itself; what is lost is sent for as long as it is lost.
    expect(Number(/^sent again: (\d+)$/.exec(again)?.[1])).toBeLessThan(10);
  });

  it("are off while another program's rule may refuse open connections, and the node says which", () => {
    const [state = "", goesOn, told = ""] = lines("foreign");
    expect(state).toMatch(/^off: another program's rule .*10\.9\.0\.0\/16 drop/);
    expect(goesOn).toBe("a-c goes on");
    expect(told).toMatch(/not offloaded on node1: another program's rule/);
  });

  it("go when they are switched off, and connections go on", () => {
    expect(lines("off")).toEqual(["a-c goes on"]);
  });

  it("forget the connections of a pod that is deleted", () => {
    expect(lines("deleted")).toEqual(["the table stays"]);
  });
});
