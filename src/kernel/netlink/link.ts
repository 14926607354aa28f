// rtnetlink's link messages (rtnetlink(7), linux/if_link.h).
import type { Link, LinkChange, LinkIpv4Settings, NewLink, VxlanOptions } from "../kernel.ts";
import { AF_INET, AF_INET6, addressBytes, addressText, familyOfText, macBytes, macText } from "./bytes.ts";
import { Attributes, firstText, firstU32, type Message, type MessageWriter } from "./message.ts";

export const LinkMessage = { new: 16, delete: 17, get: 18, set: 19 } as const;

const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  afSpec: 26,
  group: 27,
  netnsFd: 28,
  extensionMask: 29,
  txQueues: 31,
  rxQueues: 32,
} as const;
const INFO_KIND = 1;
const INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const VLAN_ID = 1;
const MACVLAN_MODE = 1;
const macvlanModes = { private: 1, bridge: 4 } as const;
const VXLAN = { id: 1, local: 4, learning: 7, port: 15, local6: 17 } as const;
const INET6_ADDR_GEN_MODE = 8;
const INET_CONF = 1;
/** IPV4_DEVCONF_… numbers (linux/ip.h). */
const DEVCONF_FORWARDING = 1;
const DEVCONF_PROXY_ARP = 3;
const DEVCONF_RP_FILTER = 8;
const reversePathModes = { off: 0, strict: 1, loose: 2 } as const;
const generationModes = { eui64: 0, none: 1 } as const;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const IFF_NOARP = 0x80;
const EXTENSION_SKIP_STATISTICS = 8;

interface Head {
  index?: number;
  up?: boolean | undefined;
}

function head(writer: MessageWriter, { index = 0, up }: Head = {}): void {
  writer.u8(0).u8(0).u16(0).u32(index);
  writer.u32(up ? IFF_UP : 0).u32(up === undefined ? 0 : IFF_UP);
}

/** Writes the body of a request that makes a link. The descriptors say where, if not in the socket's namespace. */
export function writeNewLink(
  writer: MessageWriter,
  link: NewLink,
  netnsFd: number | undefined,
  peerNetnsFd: number | undefined,
): void {
  head(writer, { up: link.up });
  writeCommon(writer, link);
  if (netnsFd !== undefined) writer.attributeU32(IFLA.netnsFd, netnsFd);
  if (link.kind === "veth") writeQueues(writer, link.txQueues);
  if (link.kind === "vlan" || link.kind === "macvlan") writer.attributeU32(IFLA.link, link.lower);
  writer.nest(IFLA.linkInfo, () => {
    writer.attributeText(INFO_KIND, link.kind);
    if (!hasData(link)) return;
    writer.nest(INFO_DATA, () => writeKindData(writer, link, peerNetnsFd));
  });
}

type KindWithData = Extract<NewLink, { kind: "veth" | "vlan" | "macvlan" | "vxlan" }>;

function hasData(link: NewLink): link is KindWithData {
  return link.kind === "veth" || link.kind === "vlan" || link.kind === "macvlan" || link.kind === "vxlan";
}

function writeKindData(writer: MessageWriter, link: KindWithData, peerNetnsFd: number | undefined): void {
  if (link.kind === "vlan") {
    writer.attributeU16(VLAN_ID, link.vlanId);
  } else if (link.kind === "macvlan") {
    writer.attributeU32(MACVLAN_MODE, macvlanModes[link.mode]);
  } else if (link.kind === "vxlan") {
    writeVxlan(writer, link.vxlan);
  } else {
    writer.nest(VETH_INFO_PEER, () => {
      // Not up yet: at this moment the peer has no other end, and the kernel refuses with ENOTCONN.
      head(writer);
      writeCommon(writer, link.peer);
      if (peerNetnsFd !== undefined) writer.attributeU32(IFLA.netnsFd, peerNetnsFd);
      writeQueues(writer, link.txQueues);
    });
  }
}

function writeVxlan(writer: MessageWriter, vxlan: VxlanOptions): void {
  writer.attributeU32(VXLAN.id, vxlan.id);
  writer.attributeU16be(VXLAN.port, vxlan.port);
  writer.attributeU8(VXLAN.learning, vxlan.learning ? 1 : 0);
  if (vxlan.local === undefined) return;
  const local = familyOfText(vxlan.local) === 4 ? VXLAN.local : VXLAN.local6;
  writer.attribute(local, addressBytes(vxlan.local));
}

/** The same number both ways: a veth with one queue is made and removed faster than one with a queue a processor. */
function writeQueues(writer: MessageWriter, queues: number | undefined): void {
  if (queues === undefined) return;
  writer.attributeU32(IFLA.txQueues, queues).attributeU32(IFLA.rxQueues, queues);
}

function writeCommon(
  writer: MessageWriter,
  link: { name?: string; mac?: string; mtu?: number; group?: number },
): void {
  if (link.name !== undefined) writer.attributeText(IFLA.name, link.name);
  if (link.mtu !== undefined) writer.attributeU32(IFLA.mtu, link.mtu);
  if (link.group !== undefined) writer.attributeU32(IFLA.group, link.group);
  if (link.mac !== undefined) writer.attribute(IFLA.address, macBytes(link.mac));
}

/** Writes the body of a request that changes a link. */
export function writeLinkChange(
  writer: MessageWriter,
  index: number,
  change: LinkChange,
  netnsFd: number | undefined,
): void {
  head(writer, { index, up: change.up });
  writeCommon(writer, change);
  if (change.master !== undefined) writer.attributeU32(IFLA.master, change.master);
  // An empty text takes the alias away; the kernel wants it without the closing zero.
  if (change.alias !== undefined) writer.attribute(IFLA.alias, Buffer.from(change.alias));
  if (netnsFd !== undefined) writer.attributeU32(IFLA.netnsFd, netnsFd);
  const { addressGeneration, ipv4 } = change;
  if (addressGeneration === undefined && ipv4 === undefined) return;
  writer.nest(IFLA.afSpec, () => {
    if (ipv4 !== undefined)
      writer.nest(AF_INET, () => writer.nest(INET_CONF, () => writeIpv4Settings(writer, ipv4)));
    if (addressGeneration !== undefined)
      writer.nest(AF_INET6, () =>
        writer.attributeU8(INET6_ADDR_GEN_MODE, generationModes[addressGeneration]),
      );
  });
}

function writeIpv4Settings(writer: MessageWriter, settings: LinkIpv4Settings): void {
  const { proxyArp, forwarding, reversePath } = settings;
  if (forwarding !== undefined) writer.attributeU32(DEVCONF_FORWARDING, forwarding ? 1 : 0);
  if (proxyArp !== undefined) writer.attributeU32(DEVCONF_PROXY_ARP, proxyArp ? 1 : 0);
  if (reversePath !== undefined) writer.attributeU32(DEVCONF_RP_FILTER, reversePathModes[reversePath]);
}

/** Writes the body of a request that puts a link into a group, by which many are removed at once. */
export function writeLinkGroup(writer: MessageWriter, index: number, group: number): void {
  head(writer, { index });
  writer.attributeU32(IFLA.group, group);
}

/** Writes the body of a request that removes every link of a group. */
export function writeGroupRemoval(writer: MessageWriter, group: number): void {
  head(writer);
  writer.attributeU32(IFLA.group, group);
}

/** Writes the body of a request that names one link, or all (for a dump). */
export function writeLinkQuery(writer: MessageWriter, nameOrIndex?: string | number): void {
  head(writer, typeof nameOrIndex === "number" ? { index: nameOrIndex } : {});
  if (typeof nameOrIndex === "string") writer.attributeText(IFLA.name, nameOrIndex);
  writer.attributeU32(IFLA.extensionMask, EXTENSION_SKIP_STATISTICS);
}

/** Writes the body of a request that removes one link. */
export function writeLinkRemoval(writer: MessageWriter, index: number): void {
  head(writer, { index });
}

const attributes = new Attributes();
const info = new Attributes();
const data = new Attributes();
const families = new Attributes();
const inet6 = new Attributes();

/** Reads a link message. */
export function readLink({ bytes, from, to }: Message): Link {
  const flags = bytes.readUInt32LE(from + 8);
  attributes.read(bytes, from + 16, to);
  const kind = attributes.nested(IFLA.linkInfo, info)?.text(INFO_KIND);
  const mac = attributes.view(IFLA.address);
  const alias = attributes.text(IFLA.alias);
  return {
    index: bytes.readInt32LE(from + 4),
    name: attributes.text(IFLA.name) ?? "",
    kind,
    mac: mac && mac.length === 6 ? macText(mac) : undefined,
    mtu: attributes.u32(IFLA.mtu) ?? 0,
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    ...((flags & IFF_NOARP) !== 0 && { noArp: true as const }),
    lower: attributes.u32(IFLA.link) || undefined,
    master: attributes.u32(IFLA.master) || undefined,
    alias: alias || undefined,
    group: attributes.u32(IFLA.group) ?? 0,
    addressGeneration: readGeneration(),
    ...(kind === "vxlan" && { vxlan: readVxlan() }),
  };
}

/** Reads what an event tells: a pod that comes or goes makes a dozen, of which little more than the name is needed. */
export function readLinkNotice({ bytes, from, to }: Message): {
  index: number;
  name: string;
  up: boolean;
  group: number;
} {
  return {
    index: bytes.readInt32LE(from + 4),
    name: firstText(bytes, from + 16, to, IFLA.name) ?? "",
    group: firstU32(bytes, from + 16, to, IFLA.group) ?? 0,
    up: (bytes.readUInt32LE(from + 8) & IFF_UP) !== 0,
  };
}

function readGeneration(): Link["addressGeneration"] {
  const six = attributes.nested(IFLA.afSpec, families)?.nested(AF_INET6, inet6);
  const mode = six?.u8(INET6_ADDR_GEN_MODE);
  return mode === generationModes.none ? "none" : mode === generationModes.eui64 ? "eui64" : undefined;
}

function readVxlan(): VxlanOptions {
  const found = info.nested(INFO_DATA, data);
  const local = found?.view(VXLAN.local) ?? found?.view(VXLAN.local6);
  return {
    id: found?.u32(VXLAN.id) ?? 0,
    port: found?.u16be(VXLAN.port) ?? 0,
    learning: found?.u8(VXLAN.learning) === 1,
    ...(local && { local: addressText(local) }),
  };
}
