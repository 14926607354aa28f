// The cluster of the bench: Trunkline on two nodes, and Debian's bridge plugin with host-local on the third.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withGroups } from "../../../scripts/cluster/ends.ts";
import { begin, install } from "../../../scripts/cluster/life.ts";
import { file, folder, nodes, project } from "../../../scripts/cluster/place.ts";
import { auditArguments } from "../../../test/kube/audit-log.ts";
import { Api } from "./api.ts";

export const [near, far, other] = nodes;
const plugins = "/usr/lib/cni";

/** As ours is installed, with the reference plugin for host ports behind it. */
const peer = {
  cniVersion: "1.0.0",
  name: "bridge",
  plugins: [
    {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: "10.99.0.0/16" }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    },
    { type: "portmap", capabilities: { portMappings: true }, snat: true },
  ],
};

export const needs = [
  { program: path.join(plugins, "bridge"), debian: "containernetworking-plugins" },
  { program: path.join(plugins, "host-local"), debian: "containernetworking-plugins" },
  { program: path.join(plugins, "portmap"), debian: "containernetworking-plugins" },
];

interface Manifest {
  readonly kind: string;
  readonly spec?: { readonly template?: { readonly spec: { nodeSelector: Record<string, string> } } };
}

/** What is installed, without an agent on the peer's node. */
function manifests(): string {
  const words = ["manifests", "-o", "json", "--set", "pool.ipv4=10.1.0.0/16"];
  const text = execFileSync(path.join(project, "bin/trunkline"), words, { encoding: "utf8" });
  const list = JSON.parse(text) as { readonly items: readonly Manifest[] };
  for (const { kind, spec } of list.items)
    if (kind === "DaemonSet" && spec?.template) spec.template.spec.nodeSelector["bench"] = "trunkline";
  return JSON.stringify(list);
}

/**
 * Among what else the machine does, all containers of a cluster have the weight of one process: that would be measured. They
 * all have as much more, those of the peer's node, too.
 */
function weigh(group: string): void {
  for (const [name, most] of [
    ["cpu.shares", "65536"],
    ["cpu.weight", "10000"],
  ] as const) {
    const at = path.join(group, name);
    if (existsSync(at)) writeFileSync(at, most);
  }
}

/** Starts it, and settles once all three nodes are Ready. What is left of it is ended by `ranWithOwnCluster`. */
export async function startCluster(): Promise<Api> {
  await begin({ apiServer: auditArguments(folder) });
  withGroups(weigh);
  const api = new Api(file("admin.kubeconfig"));
  for (const node of [near, far])
    await api.patch(`/api/v1/nodes/${node}`, { metadata: { labels: { bench: "trunkline" } } });
  for (const name of ["bridge", "host-local"])
    cpSync(path.join(plugins, name), file(other, "/opt/cni/bin", name));
  writeFileSync(file(other, "/etc/cni/net.d/10-bridge.conflist"), JSON.stringify(peer));
  await install(manifests());
  return api;
}
