import { expect, it } from "vitest";
import { parseIp } from "../../base/ip.ts";
import type { HookPacket } from "../../plan/foreign/index.ts";
import { cluster, host, pool } from "../cluster.suite.ts";
import { judgesOf } from "../judges/plans.ts";
import { addressing } from "./addressing.ts";
import { ground } from "./ground.suite.ts";
import type { GroundRoute, Machine } from "./ground.ts";

const facts = cluster(
  pool("pods", "10.1.0.0/16", false),
  host("gateway", "192.168.18.1", { role: "router" }),
);

/** Whether there is a way back to a source, by eth0, where the machine has these routes beside those of its links. */
function wayBack(source: string, routes: readonly GroundRoute[], more: Partial<HookPacket> = {}) {
  const [eth0, eth1] = [
    {
      name: "eth0",
      network: "nodes",
      addresses: ["192.168.18.3/24", "fd00:18::3/64"],
      linkLocal: ["fe80::3/64"],
    },
    { name: "eth1", network: "side", addresses: ["192.168.19.3/24", "fd00:19::3/64"] },
  ];
  const own = [eth0!, eth1!].flatMap(({ name: link, addresses }) =>
    addresses.map((text) => ({
      to: text.replace(/3\/(24|64)$/, (_, length) => (length === "24" ? "0/24" : "/64")),
      link,
    })),
  );
  const machines = ground.machines.map((machine): Machine => {
    if (machine.name !== "node/n1") return machine;
    return { ...machine, live: true, links: [eth0!, eth1!], routes: [...own, ...routes] };
  });
  const { atlas } = judgesOf(facts, {}, { machines });
  const machine = atlas!.machine("node/n1")!;
  const { family, value } = parseIp(source);
  const packet = { family, source: { family, first: value, last: value }, in: "eth0", mark: 0, ...more };
  return addressing(atlas!, machine).hasWayBack!(packet as HookPacket);
}

it("knows whether a machine sends what is for a source by the link that it came by", () => {
  const defaults = ["0.0.0.0/0", "::/0"].map((to) => ({ to, link: "eth0" }));
  for (const [near, beside, far] of [
    ["192.168.18.9", "192.168.19.9", "172.17.0.9"],
    ["fd00:18::9", "fd00:19::9", "2001:db8::9"],
  ] as const) {
    expect(wayBack(near, defaults)).toBe(true);
    // The narrower route leads elsewhere.
    expect(wayBack(beside, defaults)).toBe(false);
    expect(wayBack(far, defaults)).toBe(true);
    expect(wayBack(far, [])).toBe(false);
    const both = defaults.map((route) => ({ ...route, others: [{ link: "eth1" }] }));
    expect(wayBack(far, both)).toBe(far.includes(":") ? "perhaps" : true);
    expect(
      wayBack(far, [
        ...defaults,
        { to: far.includes(":") ? "2001:db8::/32" : "172.17.0.0/16", type: "blackhole" },
      ]),
    ).toBe(false);
    expect(wayBack(far, defaults, { mark: 1 })).toBe("perhaps");
    expect(wayBack(far, defaults, { in: "" })).toBe("perhaps");
  }
  expect(wayBack("fe80::9", defaults)).toBe(true);
  expect(wayBack("10.1.0.1", defaults, { in: "tl*" })).toBe(true);
  expect(wayBack("10.1.0.77", defaults, { in: "tl*" })).toBe("perhaps");
});
