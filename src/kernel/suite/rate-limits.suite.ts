import { expect, it } from "vitest";
import { isError } from "../../base/errors.ts";
import type { RateLimit } from "../kernel.ts";
import { pair, type Scene } from "./scene.suite.ts";

export function rateLimitTests(scene: Scene): void {
  const shown = ({ linkIndex, bytesPerSecond, queue }: RateLimit) => ({ linkIndex, bytesPerSecond, queue });

  it("puts limits, changes them and takes them away", async () => {
    const { kernel, link } = pair(scene);
    const limit = { linkIndex: link.index, bytesPerSecond: 125_000, burst: 4000, queue: 20_000 };
    expect(kernel.rateLimits.list()).toEqual([]);
    await kernel.apply([{ kind: "rate-limit", limit }]);
    expect(kernel.rateLimits.list()).toMatchObject([shown(limit)]);
    const faster = { ...limit, bytesPerSecond: 6_000_000_000, burst: 60_000_000, queue: 100_000_000 };
    await kernel.apply([{ kind: "rate-limit", limit: faster }]);
    expect(kernel.rateLimits.list()).toMatchObject([shown(faster)]);
    expect(kernel.rateLimits.others()).toEqual([]);
    kernel.rateLimits.remove(link.index);
    kernel.rateLimits.remove(link.index);
    expect(kernel.rateLimits.list()).toEqual([]);
  });

  it("says when the link is not there", async () => {
    const { kernel } = pair(scene);
    const limit = { linkIndex: 4711, bytesPerSecond: 1000, burst: 2000, queue: 4000 };
    const refused = await kernel.apply([{ kind: "rate-limit", limit }]).catch((error: unknown) => error);
    expect(isError(refused) && refused.code).toBe("kernel.missing");
    kernel.rateLimits.remove(4711);
  });
}
