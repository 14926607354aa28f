import { expect, it } from "vitest";
import type { Ground } from "../explain/ground/ground.ts";
import { FakeMachine } from "../kernel/fake/machine.ts";
import { groundNow } from "./ground-now.ts";

const built: Ground = {
  machines: ["node/n1", "host/h"].map((name, at) => ({
    name,
    links: [{ network: "nodes", addresses: [`192.168.18.${at + 1}/24`] }],
    routes: [],
    forwards: false,
    podRoutes: false,
    ports: [],
  })),
};

it("tells what was added to a machine's own links and to lo, and nothing of links to pods", () => {
  const machine = new FakeMachine();
  const members = ["n1", "h"].map((name, at) => {
    machine.createNetns(name);
    const kernel = machine.open({ name });
    const address = (link: string, text: string, scope: "global" | "link" = "global") =>
      kernel.addresses.add({ linkIndex: kernel.links.get(link)!.index, address: text, scope });
    for (const link of ["eth0", "tlpod"]) kernel.links.add({ kind: "dummy", name: link, up: true });
    address("eth0", `192.168.18.${at + 1}/24`);
    return { kernel, address, plan: { name, interfaces: [{ name: "eth0" }] } };
  });
  expect(groundNow(built, members)).toEqual(built);
  const { address } = members[0]!;
  address("eth0", "192.168.18.100/32");
  address("eth0", "169.254.7.7/32", "link");
  address("lo", "192.168.18.101/32");
  address("tlpod", "192.168.18.102/32");
  const { machines } = groundNow(built, members);
  expect(machines.map(({ added }) => added?.toSorted())).toEqual([
    ["192.168.18.100/32", "192.168.18.101/32"],
    undefined,
  ]);
});

it("tells the routes that a router with a daemon has now, of two to one range the better one", () => {
  const machine = new FakeMachine();
  machine.createNetns("h");
  const kernel = machine.open({ name: "h" });
  const link = kernel.links.add({ kind: "dummy", name: "eth0", up: true });
  kernel.addresses.add({ linkIndex: link.index, address: "192.168.18.2/24", scope: "global" });
  const route = (destination: string, via: string, metric: number) =>
    kernel.routes.add({ family: 4, destination, type: "unicast", via, protocol: 12, table: 254, metric });
  route("10.1.0.0/26", "192.168.18.12", 32);
  route("10.1.0.0/26", "192.168.18.11", 20);
  const members = [{ kernel, plan: { name: "h", interfaces: [{ name: "eth0" }] } }];
  const of = (learns: boolean) => ({
    machines: [{ ...built.machines[1]!, ...(learns && { learns: true as const }) }],
  });
  expect(groundNow(of(true), members).machines[0]?.routes).toEqual([
    { to: "10.1.0.0/26", via: "192.168.18.11" },
  ]);
  expect(groundNow(of(false), members).machines[0]?.routes).toEqual([]);
});
