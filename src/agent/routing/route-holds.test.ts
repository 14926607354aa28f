import { beforeEach, describe, expect, it } from "vitest";
import { silent } from "../../base/log.ts";
import { fakeMachine } from "../../kernel/index.ts";
import { type Kernel, MAIN_TABLE, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import { HOLD_METRIC, RouteHolds } from "./route-holds.ts";

describe("routes that are held", () => {
  let kernel: Kernel;
  let now: number;
  let holds: RouteHolds;
  const bird = (destination: string): Route => ({
    family: 4,
    destination,
    type: "unicast",
    via: "10.0.0.2",
    protocol: 12,
    table: MAIN_TABLE,
    metric: 32,
  });
  const held = () =>
    kernel.routes
      .list({ protocol: ROUTE_PROTOCOL })
      .filter(({ metric }) => metric === HOLD_METRIC)
      .map(({ destination }) => destination)
      .toSorted();
  beforeEach(() => {
    now = 0;
    const machine = fakeMachine();
    machine.createNetns("a");
    kernel = machine.open({ name: "a" });
    const { index } = kernel.links.add({
      kind: "veth",
      name: "eth0",
      up: true,
      peer: { name: "p", up: true },
    });
    kernel.addresses.add({ linkIndex: index, address: "10.0.0.1/24", scope: "global" });
    holds = new RouteHolds(kernel, silent, () => now);
    for (const destination of ["10.1.0.0/26", "10.1.0.64/26"]) kernel.routes.add(bird(destination));
  });
  const later = (ms: number, progress: { recovered: boolean; complete: boolean }) => {
    now += ms;
    holds.review(progress);
  };

  it("stay while BIRD recovers, and go one by one as BIRD has them again", () => {
    holds.take(100_000);
    kernel.routes.remove(bird("10.1.0.64/26"));
    later(10_000, { recovered: false, complete: false });
    expect(held()).toEqual(["10.1.0.0/26", "10.1.0.64/26"]);
    later(0, { recovered: true, complete: false });
    later(3000, { recovered: true, complete: false });
    expect(held()).toEqual(["10.1.0.64/26"]);
    kernel.routes.add(bird("10.1.0.64/26"));
    later(0, { recovered: true, complete: false });
    expect(held()).toEqual([]);
    expect(holds.active).toBe(false);
  });

  it("go when everybody has spoken, or the time is over: what did not come back was taken back", () => {
    holds.take(100_000);
    for (const destination of ["10.1.0.0/26", "10.1.0.64/26"]) kernel.routes.remove(bird(destination));
    later(0, { recovered: true, complete: true });
    later(2000, { recovered: true, complete: true });
    expect(held()).toHaveLength(2);
    later(1000, { recovered: true, complete: true });
    expect(held()).toEqual([]);
    kernel.routes.add(bird("10.1.0.0/26"));
    holds.take(5000);
    kernel.routes.remove(bird("10.1.0.0/26"));
    later(5000, { recovered: false, complete: false });
    expect(held()).toEqual([]);
  });

  it("are none of Services' ranges, which BIRD put there before it was told what they are", () => {
    for (const destination of ["172.21.0.0/20", "172.21.3.0/24"]) kernel.routes.add(bird(destination));
    holds.take(100_000, ["172.21.0.0/20", "fd00:21::/112"]);
    expect(held()).toEqual(["10.1.0.0/26", "10.1.0.64/26"]);
  });

  it("are known to the next agent, which lets them go", () => {
    holds.take(100_000);
    const next = new RouteHolds(kernel, silent, () => now);
    expect(next.active).toBe(true);
    next.drop();
    expect(held()).toEqual([]);
    expect(kernel.routes.list({ protocol: 12 })).toHaveLength(2);
  });
});
