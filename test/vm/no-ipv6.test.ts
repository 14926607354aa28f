// A kernel that was started without IPv6 (`ipv6.disable=1`), in a virtual machine: agents start, pods get their addresses,
// policies and source translation are in force, and explain says what packets find.
import { beforeAll, describe, expect, it } from "vitest";
import { SCRIPT_MS, sectionsOf } from "./machine.ts";

interface Asked {
  readonly question: string;
  readonly found: { readonly outcome: string; readonly sourceSeen: string | null };
  readonly said: { readonly expected: string; readonly sourceSeen: string | null };
}

describe("a kernel without IPv6", () => {
  let sections: ReadonlyMap<string, string> = new Map();
  const section = (name: string) => sections.get(name)?.trim() ?? "";
  let asked: readonly Asked[] = [];

  beforeAll(async () => {
    sections = await sectionsOf("no-ipv6.sh", "ipv6.disable=1");
    asked = section("asked")
      .split("\n")
      .map((line): Asked => {
        const [question = "", found = "", said = ""] = line.split("\t");
        return {
          question,
          found: JSON.parse(found) as Asked["found"],
          said: JSON.parse(said) as Asked["said"],
        };
      });
  }, SCRIPT_MS);

  it("runs the agents, which make their nodes ready and give pods one address each", () => {
    expect(section("kernel")).toBe("none");
    expect(section("nodes")).toBe("True True");
    const { items } = JSON.parse(section("pods")) as { items: { status: { podIPs: { ip: string }[] } }[] };
    expect(items.map(({ status }) => status.podIPs.length)).toEqual([1, 1, 1]);
    // What IPv6 alone needs is not there.
    expect(section("tables").split("\n")).toContain("table inet trunkline");
    expect(section("tables")).not.toContain("ip6");
  });

  it("enforces policies, translates sources and holds egress addresses", () => {
    const outcomes = new Map(asked.map(({ question, found }) => [question, found.outcome]));
    expect(Object.fromEntries(outcomes)).toEqual({
      "pod/cli pod/web:80": "answered",
      "pod/cli pod/web:53/udp": "filtered",
      "pod/other pod/web:80": "filtered",
      "pod/web pod/other:53/udp": "answered",
      "pod/cli host/store:80": "answered",
      "pod/other host/store:80": "answered",
      "pod/other host/store:53/udp": "answered",
      "node/node1 pod/web:80": "filtered",
      "host/store pod/other:80": "answered",
    });
    const seen = new Map(asked.map(({ question, found }) => [question, found.sourceSeen]));
    expect(seen.get("pod/cli host/store:80")).toBe("192.168.18.11");
    expect(seen.get("pod/other host/store:80")).toBe("192.168.18.240");
    expect(seen.get("pod/other host/store:53/udp")).toBe("192.168.18.240");
  });

  it("is explained as packets find it", () => {
    for (const { question, found, said } of asked) {
      expect(said.expected, question).toBe(found.outcome);
      if (found.sourceSeen !== null) expect(said.sourceSeen, question).toBe(found.sourceSeen);
    }
  });
});
