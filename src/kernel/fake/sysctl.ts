import { TrunklineError } from "../../base/errors.ts";
import type { Sysctl } from "../kernel.ts";
import { fileOf } from "../sysctl/sysctl.ts";
import type { FakeContext } from "./context.ts";
import type { Namespace } from "./namespace.ts";

/** Settings whose start is not 0. */
const starts = new Map([
  ["net/ipv4/ip_default_ttl", "64"],
  ["net/netfilter/nf_conntrack_max", "262144"],
  ["net/ipv6/max_hbh_opts_number", "8"],
]);

/** Those of which the kernel tells. */
const toldSetting =
  /^net\/(?:ipv4\/ip_forward|ipv[46]\/conf\/([^/]+)\/(?:forwarding|rp_filter|proxy_arp|proxy_ndp))$/;

export class FakeSysctl implements Sysctl {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  get(key: string): string {
    fileOf(key);
    const home = this.#context.namespace(`read sysctl ${key}`);
    if (!exists(home, key) || (!this.#context.machine.ipv6 && key.startsWith("net/ipv6/")))
      throw new TrunklineError("kernel.sysctl", { key, value: undefined, errno: "ENOENT" });
    return home.sysctls.get(sameSetting(key)) ?? starts.get(key) ?? "0";
  }

  set(key: string, value: string | number): void {
    const text = String(value);
    // Where the value is the same nothing is written, and so nothing is counted.
    if (this.get(key) === text) return;
    const home = this.#context.change("sysctl.set", key);
    home.sysctls.set(sameSetting(key), text);
    const told = toldSetting.exec(key);
    if (told === null) return;
    const link = told[1] ?? "all";
    const index = link === "all" || link === "default" ? link : home.linkNamed(link)?.facts.index;
    if (index !== undefined) home.tell("setting", { kind: "setting", link: index });
  }
}

/** Every setting below net/ exists, but a link's own only with the link. */
function exists(home: Namespace, key: string): boolean {
  const [, name] = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(key) ?? [];
  return (
    key.startsWith("net/") &&
    (name === undefined || name === "all" || name === "default" || home.linkNamed(name) !== undefined)
  );
}

function sameSetting(key: string): string {
  return key === "net/ipv4/conf/all/forwarding" ? "net/ipv4/ip_forward" : key;
}
