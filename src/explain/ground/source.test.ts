import { expect, it } from "vitest";
import { parseIp } from "../../base/ip.ts";
import type { Machine, SourceLabel } from "./ground.ts";
import { chooseSource, isUsuallyLabelled } from "./source.ts";

const eth0 = { name: "eth0", network: "nodes", addresses: ["2001:db8:18::11/64", "fd00:18::11/64"] };
const lo = { name: "lo", addresses: ["::1/128"] };

/** Which source a machine takes that labels addresses so. */
function sourceBy(to: string, labels?: readonly SourceLabel[]): string | undefined {
  const machine: Machine = {
    name: "node/n1",
    links: [lo, eth0],
    routes: [],
    forwards: true,
    podRoutes: false,
    ports: [],
    ...(labels && { labels }),
  };
  return chooseSource(machine, eth0, parseIp(to), parseIp(to));
}

const common: readonly SourceLabel[] = [
  { range: "::1/128", label: 0 },
  { range: "fc00::/7", label: 5 },
  { range: "::/0", label: 1 },
];

it("chooses a source by the labels that a machine has, of each link its own", () => {
  expect(sourceBy("2001:db8:1::9")).toBe("2001:db8:18::11");
  expect(sourceBy("2001:db8:1::9", common)).toBe("2001:db8:18::11");
  const like = (more: object) => [...common, { range: "2001:db8:1::/64", label: 5, ...more }];
  expect(sourceBy("2001:db8:1::9", like({}))).toBe("fd00:18::11");
  expect(sourceBy("2001:db8:1::9", like({ link: "eth0" }))).toBe("fd00:18::11");
  expect(sourceBy("2001:db8:1::9", like({ link: "eth1" }))).toBe("2001:db8:18::11");
  // Without any, what has most in common.
  expect(sourceBy("fd01::1", [])).toBe("fd00:18::11");
});

it("knows the labels that every machine has", () => {
  expect(isUsuallyLabelled(common)).toBe(false);
  const usual = "::1/128 0,::ffff:0:0/96 4,::/96 3,2001:10::/28 7,2001::/32 6,2002::/16 2,3ffe::/16 12";
  const rest = "fec0::/10 11,fc00::/7 5,::/0 1";
  const labels = `${usual},${rest}`.split(",").map((text) => {
    const [range = "", label] = text.split(" ");
    return { range, label: Number(label) };
  });
  expect(isUsuallyLabelled(labels)).toBe(true);
  expect(isUsuallyLabelled(labels.map((one) => ({ ...one, link: "eth0" })))).toBe(false);
});
