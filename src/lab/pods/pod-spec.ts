// What the lab makes of a pod's specification: the ports it listens on, and what CNI plugins are told of it.
import { type Pod, type PodSpec, runningContainers } from "../../api/kinds/core.ts";
import type { LabPort } from "../file/lab-file.ts";

/** Returns the ports that a pod's running containers declare, each once. */
export function portsOf(spec: PodSpec): LabPort[] {
  const ports = new Map<string, LabPort>();
  for (const { containerPort, protocol = "TCP" } of runningContainers(spec).flatMap(
    ({ ports: own }) => own ?? [],
  )) {
    ports.set(`${containerPort}/${protocol}`, { port: containerPort, protocol });
  }
  return [...ports.values()];
}

/** Returns the capability arguments of a pod (CNI conventions): port mappings. Bandwidth is limited by the agent itself. */
export function capabilitiesOf(pod: Pod): Record<string, unknown> {
  const portMappings = runningContainers(pod.spec)
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ hostPort }) => hostPort !== undefined)
    .map(({ hostPort, hostIP, containerPort, protocol = "TCP" }) => ({
      hostPort,
      containerPort,
      protocol: protocol.toLowerCase(),
      ...(hostIP !== undefined && { hostIP }),
    }));
  return portMappings.length > 0 ? { portMappings } : {};
}
