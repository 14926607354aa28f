// Flow tables on ways that are not the plain one, in a virtual machine with a kernel that has them.
import { beforeAll, describe, expect, it } from "vitest";
import { SCRIPT_MS, sectionsOf } from "./machine.ts";

describe("flow tables", () => {
  let sections: ReadonlyMap<string, string> = new Map();
  const lines = (name: string) => (sections.get(name) ?? "").trim().split("\n");

  beforeAll(async () => {
    sections = await sectionsOf("flow-ways.sh");
  }, SCRIPT_MS);

  it("have connections whose sources are translated, by IPv4 and IPv6: the other side sees the node as ever", () => {
    const [four = "", six = ""] = lines("masqueraded");
    expect(four).toMatch(/ src=192\.168\.18\.50 dst=192\.168\.18\.11 .*\[OFFLOAD\]/);
    expect(six).toMatch(/ src=fd00:18::50 dst=fd00:18::11 .*\[OFFLOAD\]/);
    const alive = lines("alive");
    expect(alive).toContain("masqueraded4 goes on");
    expect(alive).toContain("masqueraded6 goes on");
    expect(alive).toContain("[::ffff:192.168.18.11]");
    expect(alive).toContain("[fd00:18::11]");
  });

  it("have those of pods of two nodes by IPv6", () => {
    const both = lines("ipv6");
    expect(both).toHaveLength(2);
    for (const flow of both) expect(flow).toContain("[OFFLOAD]");
    expect(lines("alive")).toContain("pods6 goes on");
  });

  it("have those that come by a host port, which goes on leading to its pod", () => {
    expect(lines("host-port").join("\n")).toMatch(
      / src=192\.168\.18\.50 dst=192\.168\.18\.12 .*dport=7103 .*\[OFFLOAD\]/,
    );
    expect(lines("alive")).toContain("host-port goes on");
  });

  it("leave alone what IPVS leads, to a pod here and to one of another node", () => {
    const led = lines("led").filter((line) => line.includes("dst=10.96.0.1"));
    const services = led.map((line) => / dst=(10\.96\.0\.\d+) /.exec(line)?.[1] ?? "");
    expect(services.toSorted()).toEqual(["10.96.0.10", "10.96.0.11"]);
    for (const flow of led) {
      expect(flow).toContain("[ASSURED]");
      expect(flow).not.toContain("OFFLOAD");
    }
    expect(lines("led-there").join("\n")).toContain("[OFFLOAD]");
    for (const name of ["led-far", "led-near"]) expect(lines("alive")).toContain(`${name} goes on`);
  });

  it("lose nothing of UDP that is silent for longer than the kernel keeps a flow", () => {
    expect(lines("udp")[0]).toContain("[OFFLOAD]");
    expect(JSON.parse(lines("silent")[0] ?? "")).toEqual({ sent: 55, got: 55 });
  });
});
