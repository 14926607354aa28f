import { describe, expect, it } from "vitest";
import { drawLab } from "./draw.ts";

describe("a lab's drawing", () => {
  it("hangs members on networks and pods on nodes", () => {
    const link = (name: string, network: string, address: string) => ({
      name,
      network,
      addresses: [address],
    });
    const text = drawLab({
      name: "small",
      startedAt: "2026-01-01T00:00:00Z",
      rootless: false,
      separate: false,
      members: [
        {
          name: "gate",
          role: "router",
          netns: "tl-small-gate",
          links: [link("eth0", "nodes", "192.168.18.1/24"), link("eth1", "vpc", "10.0.0.1/24")],
          ports: [],
        },
        {
          name: "node1",
          role: "node",
          netns: "x",
          links: [link("eth0", "nodes", "192.168.18.11/24")],
          ports: [],
          zone: "a",
        },
        {
          name: "db",
          role: "host",
          netns: "y",
          links: [link("eth0", "vpc", "10.0.0.9/24")],
          ports: ["6379/tcp"],
          admit: ["10.1.0.0/16"],
        },
      ],
      pods: [
        {
          name: "default/a",
          node: "node1",
          phase: "Running",
          addresses: ["10.1.0.0"],
          ports: ["80/tcp"],
          netns: "n",
          hostInterface: "tl0123456789abc",
        },
        {
          name: "default/b",
          node: undefined,
          phase: "Pending",
          addresses: [],
          ports: [],
          netns: undefined,
          hostInterface: undefined,
        },
      ],
    });
    expect(text).toBe(
      [
        "lab small · 1 node · 1 router · 1 host · 2 pods",
        "",
        "network nodes",
        "├── router gate  eth0 192.168.18.1/24  (also on vpc)",
        "└── node node1  eth0 192.168.18.11/24  (zone a)",
        "    └── pod default/a  tl0123456789abc══eth0  10.1.0.0  80/tcp",
        "",
        "network vpc",
        "├── router gate  eth1 10.0.0.1/24  (also on nodes)",
        "└── host db  eth0 10.0.0.9/24  (listens on 6379/tcp; admits 10.1.0.0/16)",
        "",
        "not on any node",
        "└── pod default/b  no address  Pending",
      ].join("\n"),
    );
  });
});
