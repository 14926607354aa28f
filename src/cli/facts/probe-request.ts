// A probe as it is asked for in words, in those of a lab: a Service is probed at its address.
import { TrunklineError } from "../../base/errors.ts";
import type { Port } from "../../explain/ports.ts";
import { namedFrontend } from "../../explain/services/frontend.ts";
import { type EndName, isService, parseTarget, type Target } from "../../explain/target.ts";
import type { ProbeRequest } from "../../lab/probe/prober.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import { defaultNamespace } from "../context.ts";

/**
 * Returns what to ask the lab for.
 * @param services reads the lab's Services, which is done only where one is meant
 * @throws TrunklineError `explain.end`, `explain.port`, `cli.usage` (a headless Service), and those of `namedFrontend`
 */
export async function probeRequest(
  from: string,
  to: string,
  namespace: string | undefined,
  services: () => Promise<ServiceObjects>,
): Promise<ProbeRequest> {
  const target = parseTarget(to);
  const { who, port } = isService(target.end)
    ? servicePlace(await services(), target, target.end, namespace)
    : { who: withoutPort(to, target), port: target.port };
  return {
    from,
    to: who,
    ...(port === "icmp" ? { icmp: true } : port && { port }),
    ...(namespace !== undefined && { namespace }),
  };
}

/** Returns a target as typed, without its port. */
export function withoutPort(to: string, { port }: Target): string {
  return port === undefined ? to : to.slice(0, to.lastIndexOf(port === "icmp" ? "/" : ":"));
}

/** Packets for a Service go to its ClusterIP, as a program's do that has asked for its name. */
function servicePlace(
  objects: ServiceObjects,
  { port, portName }: Target,
  end: Extract<EndName, { type: "object" }>,
  namespace: string | undefined,
): { who: string; port: Port } {
  if (port === "icmp") throw new TrunklineError("explain.port", { text: port });
  const space = end.namespace ?? namespace ?? defaultNamespace;
  const { address, asked } = namedFrontend(objects, end.name, space, port ?? portName, [4, 6]);
  if (address === undefined)
    throw new TrunklineError("cli.usage", {
      why: `Service ${space}/${end.name} is headless: its name leads to its pods, probe one of them`,
    });
  return { who: address, port: asked };
}
