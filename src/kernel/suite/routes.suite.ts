import { expect, it } from "vitest";
import { ROUTE_PROTOCOL, type Route } from "../kernel.ts";
import { sameRoute } from "../route.ts";
import { codeOf, ours, pair, route, type Scene } from "./scene.suite.ts";

export function routeTests(scene: Scene): void {
  it("lists what was added, equal in every respect", () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    const wanted = [
      route({ destination: "10.1.0.0/24", via: "10.0.0.2", linkIndex }),
      route({ destination: "10.2.0.1/32", linkIndex }),
      route({
        destination: "10.3.0.0/16",
        via: "10.0.0.2",
        linkIndex,
        mtu: 1400,
        metric: 50,
        source: "10.0.0.1",
      }),
      route({ destination: "0.0.0.0/0", via: "169.254.1.1", linkIndex, onlink: true }),
      route({ destination: "10.4.0.0/16", type: "blackhole" }),
      route({ destination: "10.5.0.0/16", type: "unreachable" }),
      route({ destination: "10.6.0.0/16", type: "prohibit" }),
      route({ destination: "fd01::/64", via: "fd00::2", linkIndex }),
      route({ destination: "fd02::/64", via: "fe80::1", linkIndex, metric: 7 }),
      route({ destination: "fd03::/64", type: "blackhole" }),
      route({ destination: "::/0", via: "fd00::2", linkIndex, mtu: 1350 }),
    ];
    for (const one of wanted) kernel.routes.add(one);
    const found = ours(kernel);
    expect(found).toHaveLength(wanted.length);
    for (const one of wanted) expect(found.filter((other) => sameRoute(one, other))).toHaveLength(1);
  });

  it("keeps tables apart, also those above 255, and filters by family", () => {
    const { kernel, link } = pair(scene);
    kernel.routes.add(route({ destination: "10.9.0.0/16", linkIndex: link.index, table: 1000 }));
    kernel.routes.add(route({ destination: "fd09::/64", linkIndex: link.index, table: 1000 }));
    expect(ours(kernel)).toEqual([]);
    expect(kernel.routes.list({ table: 1000 })).toHaveLength(2);
    expect(kernel.routes.list({ table: 1000, family: 6 })).toMatchObject([
      { destination: "fd09::/64", table: 1000 },
    ]);
    expect(kernel.routes.list({ table: 1001 })).toEqual([]);
  });

  it("refuses a second route to the same destination, and replaces it when asked", () => {
    const { kernel, link } = pair(scene);
    for (const [destination, a, b] of [
      ["10.9.0.0/16", "10.0.0.2", "10.0.0.3"],
      ["fd09::/64", "fd00::2", "fd00::3"],
    ] as const) {
      const first = route({ destination, via: a, linkIndex: link.index });
      const second = route({ destination, via: b, linkIndex: link.index });
      kernel.routes.replace(first);
      expect(codeOf(() => kernel.routes.add(first))).toBe("kernel.exists");
      expect(codeOf(() => kernel.routes.add(second))).toBe("kernel.exists");
      kernel.routes.replace(second);
      kernel.routes.add({ ...first, metric: 10 });
      const found = ours(kernel).filter((one) => one.destination === destination);
      expect(new Set(found.map((one) => one.via))).toEqual(new Set([a, b]));
      expect(found).toHaveLength(2);
    }
  });

  it("replaces a route by one of another type, in both families", () => {
    const { kernel, link } = pair(scene);
    for (const [destination, via] of [
      ["10.9.0.0/16", "10.0.0.2"],
      ["fd09::/64", "fd00::2"],
    ] as const) {
      // With a metric, as routes to blocks have it: IPv6 keeps routes that could be joined apart from others.
      const away = route({ destination, via, linkIndex: link.index, metric: 512 });
      const own = route({ destination, type: "blackhole", metric: 512 });
      for (const next of [own, away, own, away]) {
        kernel.routes.replace(next);
        const found = ours(kernel).filter((one) => one.destination === destination);
        expect(found).toHaveLength(1);
        expect(found.filter((one) => sameRoute(one, next))).toHaveLength(1);
      }
    }
  });

  it("refuses a next hop that is not on the link, a link that is down, and one that is not there", () => {
    const { kernel, link } = pair(scene);
    const add = (facts: Partial<Route>): unknown =>
      codeOf(() => kernel.routes.add(route({ destination: "10.9.0.0/16", ...facts })));
    expect(add({ via: "192.0.2.1", linkIndex: link.index })).toBe("kernel.refused");
    expect(add({ via: "192.0.2.1" })).toBe("kernel.refused");
    expect(add({ linkIndex: 4711 })).toBe("kernel.missing");
    expect(add({ linkIndex: link.index, source: "192.0.2.9" })).toBe("kernel.refused");
    expect(add({ destination: "fd09::/64", via: "2001:db8::1", linkIndex: link.index })).toBe(
      "kernel.refused",
    );
    kernel.links.change("v0", { up: false });
    expect(add({ linkIndex: link.index })).toBe("kernel.refused");
    expect(ours(kernel)).toEqual([]);
  });

  it("finds the link of a next hop by itself", () => {
    const { kernel, link } = pair(scene);
    kernel.routes.add(route({ destination: "10.9.0.0/16", via: "10.0.0.2" }));
    expect(ours(kernel)).toMatchObject([{ linkIndex: link.index }]);
  });

  it("removes a route that fits, and is content if it is gone", () => {
    const { kernel, link } = pair(scene);
    const four = route({ destination: "10.9.0.0/16", via: "10.0.0.2", linkIndex: link.index });
    const six = route({ destination: "fd09::/64", via: "fd00::2", linkIndex: link.index });
    const black = route({ destination: "10.8.0.0/16", type: "blackhole", table: 700 });
    for (const one of [four, six, black]) kernel.routes.add(one);
    kernel.routes.remove({ ...four, via: "10.0.0.3" });
    kernel.routes.remove({ ...four, protocol: 3 });
    expect(ours(kernel)).toHaveLength(2);
    for (const one of [four, six, black, four, six, black]) kernel.routes.remove(one);
    expect(ours(kernel)).toEqual([]);
    expect(ours(kernel, 700)).toEqual([]);
  });

  it("loses the routes of a link that goes down or away", async () => {
    const { kernel, link } = pair(scene);
    kernel.routes.add(route({ destination: "10.9.0.0/16", via: "10.0.0.2", linkIndex: link.index }));
    kernel.routes.add(route({ destination: "10.9.0.0/16", linkIndex: link.index, table: 700 }));
    kernel.links.change("v0", { up: false });
    expect(ours(kernel)).toEqual([]);
    expect(ours(kernel, 700)).toEqual([]);
    kernel.links.change("v0", { up: true });
    expect(kernel.routes.list({ family: 4 }).map((one) => one.destination)).toEqual(["10.0.0.0/24"]);
    kernel.routes.add(route({ destination: "10.9.0.0/16", linkIndex: link.index, table: 700 }));
    await kernel.links.remove("v0");
    expect(kernel.routes.list({ family: 4 })).toEqual([]);
    expect(ours(kernel, 700)).toEqual([]);
  });

  it("answers which route a packet would take", () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    kernel.routes.add(route({ destination: "10.9.0.0/16", via: "10.0.0.2", linkIndex }));
    kernel.routes.add(route({ destination: "10.9.1.0/24", via: "10.0.0.3", linkIndex }));
    kernel.routes.add(route({ destination: "10.9.2.0/24", type: "blackhole" }));
    kernel.routes.add(route({ destination: "10.9.3.0/24", type: "prohibit" }));
    kernel.routes.add(route({ destination: "0.0.0.0/0", via: "10.0.0.9", linkIndex, table: 700 }));
    kernel.rules.add({
      family: 4,
      priority: 100,
      mark: { value: 7, mask: 15 },
      table: 700,
      protocol: ROUTE_PROTOCOL,
    });
    expect(kernel.routes.lookup({ to: "10.9.7.7" })).toMatchObject({
      via: "10.0.0.2",
      linkIndex,
      source: "10.0.0.1",
    });
    expect(kernel.routes.lookup({ to: "10.9.1.7" })).toMatchObject({ via: "10.0.0.3" });
    expect(kernel.routes.lookup({ to: "10.9.1.7", mark: 0x17 })).toMatchObject({
      via: "10.0.0.9",
      table: 700,
    });
    const narrow = {
      family: 4,
      priority: 90,
      to: "10.9.0.0/16",
      suppressPrefixLength: 31,
      protocol: 84,
    } as const;
    kernel.rules.add({ ...narrow, table: 701 });
    kernel.routes.add(route({ destination: "10.9.7.0/24", via: "10.0.0.4", linkIndex, table: 701 }));
    kernel.routes.add(route({ destination: "10.9.7.8/32", via: "10.0.0.5", linkIndex, table: 701 }));
    expect(kernel.routes.lookup({ to: "10.9.7.7" })).toMatchObject({ via: "10.0.0.2" });
    expect(kernel.routes.lookup({ to: "10.9.7.8" })).toMatchObject({ via: "10.0.0.5", table: 701 });
    expect(kernel.rules.list(4)).toContainEqual({ ...narrow, table: 701 });
    expect(kernel.routes.lookup({ to: "10.0.0.1" })).toMatchObject({ type: "local" });
    for (const to of ["10.9.2.1", "10.9.3.1", "192.0.2.1"]) {
      expect(codeOf(() => kernel.routes.lookup({ to }))).toBe("kernel.refused");
    }
  });
}
