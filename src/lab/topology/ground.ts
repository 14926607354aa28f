// A lab as answers see it: every machine, its links and routes, and who listens where.
import type { Ground, Machine } from "../../explain/ground/ground.ts";
import type { LabFile } from "../file/lab-file.ts";
import { NODE_PORT } from "../targets.ts";
import type { MemberPlan, Topology } from "./plan.ts";

/** Returns all that can be reached in a lab, pods aside, which come and go. */
export function groundOf(file: LabFile, topology: Topology): Ground {
  return {
    machines: topology.members.map((member) => machineOf(file, topology, member)),
    hostPorts: file.chainedPlugins.includes("portmap"),
  };
}

function machineOf(file: LabFile, topology: Topology, member: MemberPlan): Machine {
  const { name, role, interfaces, routes, forwards } = member;
  const host = file.hosts.find((one) => one.name === name);
  return {
    name: `${role === "node" ? "node" : "host"}/${name}`,
    links: interfaces.map(({ name: link, lan, addresses }) => ({
      name: link,
      network: lan.name,
      addresses,
    })),
    routes: routes.map(({ to, via }) => ({ to, via })),
    forwards,
    podRoutes: takesPodRoutes(file, topology, member),
    ports: role === "node" ? [NODE_PORT] : (host?.ports ?? []),
    ...(host?.admit && { admit: host.admit }),
  };
}

/** Returns whether the lab keeps routes to pods in a member's table. They go by nodes' addresses, so only a neighbour of nodes can have them. */
export function takesPodRoutes(file: LabFile, topology: Topology, { name, interfaces }: MemberPlan): boolean {
  const nodeLans = new Set(
    topology.members
      .filter(({ role }) => role === "node")
      .flatMap((node) => node.interfaces.map(({ lan }) => lan)),
  );
  const router = file.routers.find((one) => one.name === name);
  return router?.podRoutes === true && interfaces.some(({ lan }) => nodeLans.has(lan));
}
