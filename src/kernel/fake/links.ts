import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type {
  Link,
  LinkChange,
  LinkIpv4Settings,
  Links,
  LinkWithSettings,
  NewLink,
  PlainLink,
} from "../kernel.ts";
import { macBytes } from "../netlink/bytes.ts";
import { linkSettingNames } from "../netlink/link-settings.ts";
import type { FakeContext } from "./context.ts";
import { destroy, linkLocal, move, setDown, settle, setUp, shown, tellLink } from "./link-life.ts";
import type { FakeLink, Namespace } from "./namespace.ts";

const DEFAULT_MTU = 1500;

export class FakeLinks implements Links {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  list(): Link[] {
    return [...this.#context.namespace("list links").links.values()].map(shown);
  }

  listWithSettings(): LinkWithSettings[] {
    const { links, sysctls } = this.#context.namespace("list links");
    const { ipv6 } = this.#context.machine;
    const values = (family: 4 | 6, link: string) =>
      Object.fromEntries(
        linkSettingNames[family].map((name) => [
          name,
          sysctls.get(`net/ipv${family}/conf/${link}/${name}`) ?? "0",
        ]),
      );
    return [...links.values()].map(shown).map((link) => ({
      ...link,
      settings: {
        4: values(4, link.name),
        6: ipv6 ? values(6, link.name) : {},
      },
    }));
  }

  get(nameOrIndex: string | number): Link | undefined {
    const found = this.#context.namespace(`look up link ${nameOrIndex}`).find(nameOrIndex);
    return found && shown(found);
  }

  add(link: NewLink): Link {
    const attempt = `add link '${link.name}' (${link.kind})`;
    const here = this.#context.change("links.add", attempt);
    const home = link.netns === undefined ? here : this.#context.machine.namespaceOf(link.netns);
    // A peer that names no namespace is made beside the link itself.
    const peerHome =
      link.kind === "veth" && link.peer.netns !== undefined
        ? this.#context.machine.namespaceOf(link.peer.netns)
        : home;
    if (this.#context.machine.lacking.has(link.kind))
      throw refusal(attempt, Errno.EOPNOTSUPP, "Unknown device type");
    const made = this.#build(link, here, home, attempt);
    checkName(home, link.name, attempt);
    if (link.kind === "veth") {
      if (peerHome === home && link.peer.name === link.name) throw refusal(attempt, Errno.EEXIST);
      checkName(peerHome, link.peer.name, attempt);
      made.peer = this.#bare({ ...link.peer, kind: "veth" }, peerHome);
      made.peer.peer = made;
      settle(made.peer, peerHome);
    }
    settle(made, home);
    if (made.peer) made.facts.lower = made.peer.facts.index;
    tellLink(made, "new");
    if (made.peer) tellLink(made.peer, "new");
    if (link.up) setUp(made);
    if (link.kind === "veth" && link.peer.up && made.peer) setUp(made.peer);
    return shown(made);
  }

  async make(link: PlainLink): Promise<Link> {
    return this.add(link);
  }

  #build(link: NewLink, here: Namespace, home: Namespace, attempt: string): FakeLink {
    const made = this.#bare(link, home);
    if (link.kind === "vlan" || link.kind === "macvlan") {
      const base = here.links.get(link.lower);
      if (!base) throw refusal(attempt, Errno.ENODEV);
      made.base = base;
      made.facts.lower = base.facts.index;
      made.facts.mtu = link.mtu ?? base.facts.mtu;
      if (link.kind === "vlan") {
        const taken = [...here.links.values()].some((one) => one.base === base && one.vlanId === link.vlanId);
        if (taken) throw refusal(attempt, Errno.EEXIST);
        made.vlanId = link.vlanId;
        made.facts.mac = link.mac ?? base.facts.mac;
      }
    }
    if (link.kind === "vxlan") {
      const { id, port } = link.vxlan;
      const same = (one: FakeLink): boolean => one.facts.vxlan?.id === id && one.facts.vxlan.port === port;
      if ([...home.links.values()].some(same)) throw refusal(attempt, Errno.EEXIST);
      made.facts.vxlan = link.vxlan;
      made.facts.mtu = link.mtu ?? DEFAULT_MTU;
    }
    return made;
  }

  #bare(
    link: { name: string; kind: string; mac?: string; mtu?: number; alias?: string; group?: number },
    home: Namespace,
  ): FakeLink {
    if (link.mac !== undefined) macBytes(link.mac);
    return {
      home,
      features: new Map(),
      facts: {
        index: 0,
        name: link.name,
        kind: link.kind,
        mac: link.mac?.toLowerCase() ?? this.#context.machine.nextMac(),
        mtu: link.mtu ?? DEFAULT_MTU,
        up: false,
        lower: undefined,
        master: undefined,
        alias: link.alias || undefined,
        group: link.group ?? 0,
        addressGeneration: "eui64",
      },
    };
  }

  change(nameOrIndex: string | number, change: LinkChange): void {
    const attempt = `change link ${nameOrIndex}`;
    const here = this.#context.change("links.change", attempt);
    const link = here.find(nameOrIndex);
    if (!link) throw refusal(attempt, Errno.ENODEV);
    const to = change.netns === undefined ? undefined : this.#context.machine.namespaceOf(change.netns);
    const name = change.name ?? link.facts.name;
    if ((to ?? here) !== here || name !== link.facts.name) checkName(to ?? here, name, attempt);
    if (change.addressGeneration !== undefined && !this.#context.machine.ipv6)
      throw refusal(attempt, Errno.EAFNOSUPPORT);
    if (to && link.facts.kind === "bridge") throw refusal(attempt, Errno.EINVAL);
    if (change.master) {
      if (here.links.get(change.master)?.facts.kind !== "bridge") throw refusal(attempt, Errno.EINVAL);
    }
    const { facts } = link;
    if (to && to !== here) move(link, to);
    if (change.mac !== undefined) {
      macBytes(change.mac);
      facts.mac = change.mac.toLowerCase();
    }
    facts.name = name;
    if (change.mtu !== undefined) facts.mtu = change.mtu;
    if (change.master !== undefined) facts.master = change.master || undefined;
    if (change.group !== undefined) facts.group = change.group;
    if (change.alias !== undefined) facts.alias = change.alias || undefined;
    if (change.addressGeneration !== undefined) {
      facts.addressGeneration = change.addressGeneration;
      linkLocal(link);
    }
    for (const [setting, value] of ipv4Sysctls(change.ipv4))
      (to ?? here).sysctls.set(`net/ipv4/conf/${name}/${setting}`, value);
    if (change.up === true && !facts.up) setUp(link);
    else if (change.up === false && facts.up) setDown(link);
    else tellLink(link, "new");
  }

  setFeatures(nameOrIndex: string | number, features: Readonly<Record<string, boolean>>): void {
    const attempt = `switch features of link ${nameOrIndex}`;
    const link = this.#context.change("links.setFeatures", attempt).find(nameOrIndex);
    if (!link) throw refusal(attempt, Errno.ENODEV);
    for (const [name, on] of Object.entries(features)) link.features.set(name, on);
  }

  /** What `setFeatures` has switched. */
  features(name: string): ReadonlyMap<string, boolean> {
    return this.#context.namespace("look at features").find(name)?.features ?? new Map<string, boolean>();
  }

  async remove(nameOrIndex: string | number): Promise<void> {
    const link = this.#context.change("links.remove", String(nameOrIndex)).find(nameOrIndex);
    // The real kernel takes its time, and others go on meanwhile.
    await Promise.resolve();
    if (!link) return;
    if (link.facts.name === "lo") throw refusal("remove links", Errno.EOPNOTSUPP);
    destroy(link);
  }
}

function checkName(home: Namespace, name: string, attempt: string): void {
  const fits = /^[^\s/:]{1,15}$/.test(name) && name !== "." && name !== "..";
  if (!fits) throw refusal(attempt, Errno.EINVAL);
  if (home.linkNamed(name)) throw refusal(attempt, Errno.EEXIST);
}

function ipv4Sysctls({ forwarding, proxyArp, reversePath }: LinkIpv4Settings = {}): [string, string][] {
  const modes = { off: "0", strict: "1", loose: "2" } as const;
  return [
    ...(forwarding === undefined ? [] : [["forwarding", forwarding ? "1" : "0"] satisfies [string, string]]),
    ...(proxyArp === undefined ? [] : [["proxy_arp", proxyArp ? "1" : "0"] satisfies [string, string]]),
    ...(reversePath === undefined ? [] : [["rp_filter", modes[reversePath]] satisfies [string, string]]),
  ];
}
