// Where the cluster's files are, and its addresses.
import path from "node:path";

/** State of the one cluster that a machine (or a namespace, by another folder) may have. */
const usual = "/var/lib/trunkline-kube";
export const folder = process.env["TRUNKLINE_KUBE_STATE"] ?? usual;
export const programs =
  process.env["TRUNKLINE_KUBE"] ?? path.join(process.env["HOME"] ?? "/root", ".cache/trunkline-kube");
export const project = path.resolve(import.meta.dirname, "../..");
export const nodes = ["node1", "node2", "node3"] as const;
export const network = { bridge: "tlkube0", master: "192.168.66.1", length: 24 };
export const nodeAddress = (at: number) => `192.168.66.${at + 11}`;
export const services = "10.96.0.0/16";
export const apiPort = 6443;
export const etcdPort = 23_790;
export const registryPort = 5000;
export const server = `https://${network.master}:${apiPort}`;

/** Name of the nodes' groups in each hierarchy of control groups, which all clusters of a machine share. */
export const groups = `trunkline-kube${folder === usual ? "" : `-${path.basename(folder)}`}`;

export const file = (...names: string[]) => path.join(folder, ...names);
export const program = (name: string) => path.join(programs, name);
