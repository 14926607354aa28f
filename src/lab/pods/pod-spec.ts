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

/** Returns the capability arguments of a pod (CNI conventions): port mappings and bandwidth. */
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
  const bandwidth = bandwidthOf(pod.metadata.annotations ?? {});
  return { ...(portMappings.length > 0 && { portMappings }), ...(bandwidth && { bandwidth }) };
}

/** The longest burst that the kubelet asks for: no limit in practice. */
const BURST = 2 ** 31 - 1;

function bandwidthOf(annotations: Readonly<Record<string, string>>): Record<string, number> | undefined {
  const ingress = bitsPerSecond(annotations["kubernetes.io/ingress-bandwidth"]);
  const egress = bitsPerSecond(annotations["kubernetes.io/egress-bandwidth"]);
  if (ingress === undefined && egress === undefined) return undefined;
  return {
    ...(ingress !== undefined && { ingressRate: ingress, ingressBurst: BURST }),
    ...(egress !== undefined && { egressRate: egress, egressBurst: BURST }),
  };
}

const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** Reads a Kubernetes quantity such as 10M; undefined where there is none or nobody can read it. */
function bitsPerSecond(text: string | undefined): number | undefined {
  const found = /^(\d+(?:\.\d+)?)(k|M|G|Ki|Mi|Gi)?$/.exec(text ?? "");
  return found ? Math.round(Number(found[1]) * (FACTORS[found[2] ?? ""] ?? 1)) : undefined;
}
