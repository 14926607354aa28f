// The network that the objects of cluster.suite.ts stand in: two nodes, a router, a host behind it, one behind a second
// router that knows nothing of pods, and one that no router knows.
import type { Ground, Machine } from "./ground.ts";

function machine(name: string, links: Record<string, string>, more: Partial<Machine> = {}): Machine {
  return {
    name,
    links: Object.entries(links).map(([network, address]) => ({ network, addresses: address.split(" ") })),
    routes: [],
    forwards: !name.startsWith("host/") || more.routes === undefined,
    podRoutes: false,
    ports: [],
    ...more,
  };
}

const byDefault = (via: string) => ({ routes: [{ to: "0.0.0.0/0", via }] });
const kubelet = { ports: [{ port: 10250, protocol: "TCP" as const }] };
const web = { ports: [{ port: 80, protocol: "TCP" as const }] };

export const ground: Ground = {
  machines: [
    machine("host/gateway", { nodes: "192.168.18.1/24", offices: "172.17.0.1/24" }, { podRoutes: true }),
    machine("host/blind", { nodes: "192.168.18.2/24", cellar: "172.31.0.1/24" }),
    machine("node/n1", { nodes: "192.168.18.3/24" }, { ...byDefault("192.168.18.1"), ...kubelet }),
    machine("node/n2", { nodes: "192.168.18.4/24" }, { ...byDefault("192.168.18.1"), ...kubelet }),
    machine("host/out", { offices: "172.17.0.9/24" }, { ...byDefault("172.17.0.1"), ...web }),
    machine(
      "host/choosy",
      { offices: "172.17.0.8/24" },
      { ...byDefault("172.17.0.1"), ...web, admit: ["10.1.0.0/16"] },
    ),
    machine("host/both", { nodes: "192.168.18.50/24", offices: "172.17.0.50/24" }, { ...web, routes: [] }),
    machine("host/cellar", { cellar: "172.31.0.9/24" }, { ...byDefault("172.31.0.1"), ...web }),
  ],
};
