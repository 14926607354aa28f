// What tests of subnets under faults share: what pods have, and what the provider has of ours.
import type { Pod } from "../../src/api/kinds/core.ts";
import { Commands } from "../e2e/trunkline.ts";

export const calls = [
  "CreateNetworkInterface",
  "AttachNetworkInterface",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
  "AssignPrivateIpAddresses",
  "UnassignPrivateIpAddresses",
  "DescribeNetworkInterfaces",
] as const;
export const effects = ["kill-before", "kill-after", "kill-after", "lost", "half", "throttle"] as const;

export interface CloudInterface {
  readonly id: string;
  readonly type: string;
  readonly vSwitchID: string;
  readonly instanceID: string | null;
  readonly addresses: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

export class SubnetLab extends Commands {
  async apply(objects: readonly object[]): Promise<void> {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await this.ask("apply", "-f", this.file("objects.json", JSON.stringify(list)));
  }

  async pods(): Promise<readonly Pod[]> {
    return (await this.json<{ items: readonly Pod[] }>("get", "pods")).items;
  }

  /** Pods that nobody deletes. */
  async living(): Promise<readonly Pod[]> {
    return (await this.pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  async interfaces(): Promise<readonly CloudInterface[]> {
    return (await this.json<{ interfaces: readonly CloudInterface[] }>("lab", "provider", "show")).interfaces;
  }

  /** The interfaces that are ours. */
  async ours(): Promise<readonly CloudInterface[]> {
    return (await this.interfaces()).filter(
      ({ tags, type }) => tags["creator"] === "trunkline" && type !== "Primary",
    );
  }

  /** Waits until pods of a workload run, or says why they do not. */
  async ready(workload: string): Promise<string | undefined> {
    const words = ["wait", "--for", "ready", workload, "--timeout", "90s", "--lab", this.lab];
    let told = await this.say(...words);
    // On a machine that does much else, every command takes seconds.
    if (told.code !== 0) told = await this.say(...words);
    const { code, stdout, stderr } = told;
    if (code === 0) return undefined;
    const waiting = (await this.pods()).flatMap(({ metadata, spec, status }) =>
      (status?.conditions ?? []).flatMap((one) =>
        one.status === "False" ? [`${metadata.name} on ${spec.nodeName}: ${one.reason}: ${one.message}`] : [],
      ),
    );
    const podEnis = await this.ask("get", "podenis", "-o", "yaml");
    return [stdout + stderr, ...waiting, podEnis].join("\n");
  }
}

/** Returns those that stand in a list more than once. */
export function twiceIn(list: readonly string[]): readonly string[] {
  return list.filter((one, at) => list.indexOf(one) !== at);
}

export function deployment(name: string, replicas: number): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: { replicas, ...templateOf(name) },
  };
}

export function statefulSet(name: string, replicas: number): object {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name, namespace: "default" },
    spec: { replicas, serviceName: name, podManagementPolicy: "Parallel", ...templateOf(name) },
  };
}

function templateOf(name: string): object {
  const labels = { app: name };
  const containers = [{ name: "web", image: "web", ports: [{ containerPort: 80 }] }];
  return { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } };
}

export function eniConfig(settings: object): object {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "eni-config", namespace: "kube-system" },
    data: { eni_conf: JSON.stringify(settings) },
  };
}
