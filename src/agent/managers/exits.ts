// By which links a node sends what is not for itself, out of its own routes.
import { parseCidr } from "../../base/ip.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Exit } from "../../plan/snat/foreign/index.ts";

/** Returns the routes of the main table as exits. */
export function exitsOf(kernel: Pick<Kernel, "links" | "routes">): Exit[] {
  const names = new Map(kernel.links.list().map(({ index, name }) => [index, name]));
  return kernel.routes.list().map(({ destination, type, linkIndex }): Exit => {
    const name = linkIndex === undefined ? undefined : names.get(linkIndex);
    // A route with several next hops names no link of its own.
    const link = type !== "unicast" ? "nowhere" : name === undefined ? "unknown" : { name };
    return { destination: parseCidr(destination), link };
  });
}
