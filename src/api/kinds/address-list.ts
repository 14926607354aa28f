// Which addresses a destination must admit for pods' connections, kept up to date where the destination reads them: in a
// file, a server's configuration, a set of the firewall. Its sinks write on machines, so only who runs the cluster makes one.
import type { Kind, KubeObject } from "../object.ts";
import type { Condition, LabelSelector } from "./core.ts";

/** Pods that a list speaks of; what is given must all hold, and an empty one means all pods. */
export interface ListedPods {
  /** Names of namespaces. */
  readonly namespaces?: readonly string[];
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector?: LabelSelector;
  /** `KIND/NAME`, in each of those namespaces. */
  readonly workload?: string;
  /** Annotations that have a word among those that they list (`a,b`); an empty one: that are not there, or empty. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export const listFileForms = ["text", "json", "csv"] as const;

/** One place where the list is put. Exactly one of its last fields says how. */
export interface AddressListSink {
  /** Unlike those of the list's other sinks. */
  readonly name: string;
  /** The machine of a Host, where `trunkline sinks` runs. Without `host` and `nodes`: the controller's. */
  readonly host?: string;
  /** The machines of these nodes, by their agents. */
  readonly nodes?: LabelSelector;
  readonly file?: { readonly path: string; readonly form?: (typeof listFileForms)[number] };
  /** An include of `allow` and `deny all`. */
  readonly nginx?: {
    readonly path: string;
    /** The main configuration, which includes it; default: the one that nginx was built with. */
    readonly config?: string;
  };
  /** A file of an ACL (`acl … src -f FILE`) or a map, changed in the running process too. */
  readonly haproxy?: {
    readonly path: string;
    /** The runtime socket (`stats socket`). */
    readonly socket: string;
    /** Of a map: what every range is mapped to. Without it the file is an ACL's. */
    readonly value?: string;
  };
  /** Sets of a table of somebody else's, with `flags interval`. */
  readonly nft?: {
    readonly family: "ip" | "ip6" | "inet";
    readonly table: string;
    readonly ipv4Set?: string;
    readonly ipv6Set?: string;
  };
  /** A marked block of pg_hba.conf. */
  readonly postgres?: {
    readonly path: string;
    /** Folder of the server's unix socket; default /var/run/postgresql. */
    readonly socketFolder?: string;
    /** Default 5432. */
    readonly port?: number;
    /** Default: all of them. */
    readonly databases?: readonly string[];
    /** Default: all of them. */
    readonly users?: readonly string[];
    /** Default scram-sha-256. */
    readonly method?: string;
    /** Default host. */
    readonly connection?: "host" | "hostssl" | "hostnossl";
  };
  /** By the controller; it must be allowed to. */
  readonly configMap?: { readonly namespace: string; readonly name: string };
  /** PUT of JSON, by the controller. */
  readonly http?: {
    /** https, or http to the loopback. */
    readonly url: string;
    /** Default key: token. */
    readonly tokenSecret?: { readonly namespace: string; readonly name: string; readonly key?: string };
  };
  /** A list of an instance of ApsaraDB RDS, by the controller. */
  readonly rds?: {
    readonly region: string;
    readonly instance: string;
    /** One of its own; default: trunkline_NAME. */
    readonly listName?: string;
  };
  /** A list of an instance of Redis or Tair of Alibaba Cloud, by the controller. */
  readonly redis?: {
    readonly region: string;
    readonly instance: string;
    /** One of its own; default: trunkline_NAME. */
    readonly listName?: string;
  };
  /** Rules of a security group of ECS, by the controller; those of ours are known by their description. */
  readonly securityGroup?: {
    readonly region: string;
    readonly group: string;
    /** Default: all. */
    readonly protocol?: "all" | "tcp" | "udp" | "icmp";
    /** `FIRST/LAST`; default: all of them. */
    readonly ports?: string;
  };
}

/** An address or range that pods need or needed. */
export interface ListEntry {
  readonly range: string;
  /** The list had it from this revision on. */
  readonly revision: number;
  /** How many pods need it, and the names of the first ones, `namespace/name`. */
  readonly pods: number;
  readonly neededBy: readonly string[];
  /** Since when no pod needs it, RFC 3339. */
  readonly unusedSince?: string;
}

/** What a sink has of the list. */
export interface SinkState {
  readonly name: string;
  /** `controller`, `node/NAME` or `host/NAME`. */
  readonly at: string;
  /** The list's revision that it took last; 0: none yet. */
  readonly revision: number;
  /** How many ranges those were. */
  readonly ranges: number;
  /** RFC 3339. */
  readonly takenAt?: string;
  /** Why it has not taken the newest revision, and since when. */
  readonly error?: string;
  readonly errorSince?: string;
}

/** A pod about to start, by the agent of its node: its object does not have the addresses yet. */
export interface AskedAddress {
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
  readonly node: string;
  readonly addresses: readonly string[];
  /** RFC 3339. */
  readonly at: string;
}

/** Who else gets in by a range that is wider than what pods need. */
export interface AdmittedStranger {
  readonly range: string;
  /** How many addresses of it no listed pod needs. */
  readonly addresses: number;
  /** How many of those somebody has, and who the first ones are. */
  readonly known: number;
  readonly names: readonly string[];
}

export interface AddressList extends KubeObject {
  readonly kind: "AddressList";
  readonly spec: {
    /** Pods of any of these. */
    readonly for: readonly ListedPods[];
    /** `host/NAME`, `KIND/NAME`, an address or a range, with an optional port. */
    readonly to: string;
    /** Addresses: exactly those that are seen. Ranges: the subnets and blocks that they are of, which seldom change. */
    readonly entries?: "Addresses" | "Ranges";
    /** More than so many ranges are put together, whoever else gets in by that. */
    readonly maxEntries?: number;
    /** How long an address that no pod needs any more stays, a Go duration; default 20s. */
    readonly rest?: string;
    /** How long a pod waits at most until the sinks have its address, a Go duration; default 20s. 0s: pods do not wait. */
    readonly wait?: string;
    readonly sinks?: readonly AddressListSink[];
  };
  readonly status?: {
    /** Counts the changes of `ranges`. */
    readonly revision?: number;
    readonly ranges?: readonly string[];
    readonly entries?: readonly ListEntry[];
    readonly strangers?: readonly AdmittedStranger[];
    /** Pods of which it is not known what is seen, and why. */
    readonly unknown?: readonly string[];
    readonly asked?: readonly AskedAddress[];
    readonly sinks?: readonly SinkState[];
    readonly conditions?: readonly Condition[];
  };
}

export const addressListKind: Kind<AddressList> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "AddressList",
  plural: "addresslists",
  shortNames: ["al"],
  namespaced: false,
};

/** How a sink takes a list: the one of its fields that says so. */
export const sinkTypes = [
  "file",
  "nginx",
  "haproxy",
  "nft",
  "postgres",
  "configMap",
  "http",
  "rds",
  "redis",
  "securityGroup",
] as const;
export type SinkType = (typeof sinkTypes)[number];
