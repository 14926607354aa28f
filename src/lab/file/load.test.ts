import { describe, expect, it } from "vitest";
import { formatProblem } from "../../base/problem.ts";
import { parseLabFile } from "./load.ts";

const good = `
name: small
networks:
  - {name: nodes, cidr: 192.168.18.0/24}
  - name: outside
    cidrs: [10.0.0.0/24, "fd00:1::/64"]
nodes:
  - {name: node1, address: 192.168.18.11, zone: a, taints: [{key: fixed, value: "true", effect: NoSchedule}]}
routers:
  - {name: gate, addresses: [192.168.18.1, 10.0.0.1]}
hosts:
  - {name: db, address: 10.0.0.9, ports: [6379, 53/udp, 9/SCTP], admit: [10.2.1.0/24]}
`;

function problemsOf(text: string): string[] {
  const result = parseLabFile(text, "lab.yaml");
  return "problems" in result ? result.problems.map(formatProblem) : [];
}

describe("a lab file", () => {
  it("gives one form for the short and the long way of writing", () => {
    const result = parseLabFile(good, "lab.yaml");
    if ("problems" in result) throw new Error(result.problems.map(formatProblem).join("\n"));
    expect(result.lab.networks[0]).toEqual({ name: "nodes", cidrs: ["192.168.18.0/24"], mtu: 1500 });
    expect(result.lab.nodes[0]?.addresses).toEqual(["192.168.18.11"]);
    expect(result.lab.hosts[0]).toEqual({
      name: "db",
      addresses: ["10.0.0.9"],
      ports: [
        { port: 6379, protocol: "TCP" },
        { port: 53, protocol: "UDP" },
        { port: 9, protocol: "SCTP" },
      ],
      admit: ["10.2.1.0/24"],
    });
    expect(result.lab.routers[0]?.podRoutes).toBe(true);
  });

  it("names line and column of every problem, not only of the first", () => {
    const text = good
      .replace("admit: [10.2.1.0/24]", "admit: [10.2.1.7/24], colour: red")
      .replace("zone: a", "zone: 7");
    const problems = problemsOf(text);
    expect(problems).toHaveLength(3);
    expect(problems.join("\n")).toContain("lab.yaml:8:49:");
    expect(problems.join("\n")).toContain("(at nodes[0].zone)");
    expect(problems.join("\n")).toContain("host bits are set; the range that it lies in is 10.2.1.0/24");
    expect(problems.join("\n")).toContain("(at hosts[0].colour)");
  });

  it.each([
    ["addressCooldown: 2m\n", 120_000],
    ["addressCooldown: 0s\n", 0],
    ["", undefined],
  ])("takes the time that addresses rest: %j", (line, expected) => {
    const result = parseLabFile(good + line, "lab.yaml");
    expect("problems" in result ? result.problems : result.lab.addressCooldown).toBe(expected);
  });

  it.each(["30", "-1s", "2h", "soon", "[30s]"])("refuses %s as the time that addresses rest", (text) => {
    const [problem, ...others] = problemsOf(`${good}addressCooldown: ${text}\n`);
    expect(others).toEqual([]);
    // What is no plain value is told where its key stands.
    expect(problem?.startsWith(text.startsWith("[") ? "lab.yaml:13:1: " : "lab.yaml:13:18: ")).toBe(true);
    expect(problem).toMatch(/must be a time from 0s to 1h.*\(at addressCooldown\)/);
  });

  it.each([
    [
      "an address outside every network",
      good.replace("10.0.0.9", "10.9.0.9"),
      "lies in none of the lab's networks",
    ],
    ["one address twice", good.replace("10.0.0.9", "10.0.0.1"), "is also that of 'gate'"],
    ["one name twice", good.replace("name: db", "name: gate"), "the name 'gate' is taken"],
    ["networks that overlap", good.replace("10.0.0.0/24", "192.168.0.0/16"), "overlaps 192.168.18.0/24"],
    [
      "a group's peer that is nobody",
      `${good}securityGroups: [{id: sg-1, ingress: [{peers: [10.0.0.0/24, sg-1]}], egress: [{peers: [sg-2]}]}]\n`,
      "'sg-2' is no range and the id of no group",
    ],
    [
      "a group's port that is none",
      `${good}securityGroups: [{id: sg-1, ingress: [{peers: [10.0.0.0/24], ports: [99999/tcp]}]}]\n`,
      "must be a port such as 80/tcp",
    ],
    [
      "a daemon's key on a plain router",
      good.replace("{name: gate,", "{name: gate, as: 65001,"),
      "only a router of type bird or frr has 'as'",
    ],
    [
      "a daemon's whole configuration and a part of it",
      good.replace("{name: gate,", "{name: gate, type: bird, config: x.conf, as: 65001,"),
      "excludes 'as'",
    ],
    [
      "peers without an AS of its own",
      good.replace("{name: gate,", "{name: gate, type: frr, peers: [{nodes: true, as: 64512}],"),
      "a router with peers needs 'as'",
    ],
    [
      "a peer that is two things",
      good.replace(
        "{name: gate,",
        "{name: gate, type: frr, as: 1, peers: [{nodes: true, range: 10.0.0.0/24, as: 2}],",
      ),
      "needs exactly one of 'address', 'range' and 'nodes'",
    ],
    [
      "RIP timers that FRR does not take",
      good.replace("{name: gate,", "{name: gate, type: frr, rip: {networks: [nodes], update: 1s},"),
      "FRR takes nothing below 5s",
    ],
    [
      "RIP on a network that the router is not on",
      good.replace("{name: gate,", "{name: gate, type: bird, rip: {networks: [lan-x]},"),
      "not on network 'lan-x'",
    ],
    [
      "a password that ends a daemon's text",
      good.replace(
        "{name: gate,",
        `{name: gate, type: frr, as: 1, peers: [{nodes: true, as: 2, password: 'a"b'}],`,
      ),
      "without spaces, quotes and backslashes",
    ],
    ["a cyclic anchor", `${good}x: &x {y: *x}\n`, "the anchor '&x' contains itself"],
    [
      "aliases that unfold to billions",
      `${good}${Array.from(
        { length: 12 },
        (_, at) =>
          `a${at}: &a${at} [${Array(9)
            .fill(at === 0 ? 1 : `*a${at - 1}`)
            .join()}]`,
      ).join("\n")}\n`,
      "unfold to too many values",
    ],
    ["a second document", `${good}---\nname: other\n`, "lab.yaml:14:1: a lab file is one document"],
    [
      "both forms at once",
      good.replace("cidr: 192", "cidrs: [10.9.0.0/24], cidr: 192"),
      "either 'cidr' or 'cidrs'",
    ],
    ["a port that is none", good.replace("53/udp", "70000"), "must be a port"],
    ["a duplicate key", `${good}name: again\n`, "the key 'name' stands twice"],
  ])("refuses %s", (_what, text, message) => {
    expect(problemsOf(text).join("\n")).toContain(message);
  });
});
