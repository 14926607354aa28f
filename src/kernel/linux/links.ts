import { closeSync } from "node:fs";
import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Link, LinkChange, Links, LinkWithSettings, NetnsRef, NewLink, PlainLink } from "../kernel.ts";
import { GENERIC_CONTROLLER, readFamily, writeFamilyQuery, writeFeatures } from "../netlink/ethtool.ts";
import { LinkMessage, readLink, writeLinkChange, writeLinkQuery, writeNewLink } from "../netlink/link.ts";
import { readLinkSettings } from "../netlink/link-settings.ts";
import { Flag, type Message, type MessageWriter } from "../netlink/message.ts";
import { NETLINK_GENERIC, NETLINK_ROUTE, NetlinkSocket } from "../netlink/socket.ts";
import { inNetns, openNetns } from "../netns/enter.ts";
import type { BackgroundRequests } from "./background-requests.ts";
import { linkChange } from "./changes.ts";
import type { Context } from "./context.ts";
import { LinkRemover } from "./link-remover.ts";

export class LinuxLinks implements Links {
  readonly #context: Context;
  readonly #background: BackgroundRequests;
  readonly #remover: LinkRemover;

  constructor(context: Context, background: BackgroundRequests) {
    this.#context = context;
    this.#background = background;
    this.#remover = new LinkRemover(context);
  }

  list(): Link[] {
    return this.#list(readLink);
  }

  listWithSettings(): LinkWithSettings[] {
    return this.#list((message) => ({ ...readLink(message), settings: readLinkSettings(message) }));
  }

  #list<T>(read: (message: Message) => T): T[] {
    const attempt = (): string => "list links";
    const found: T[] = [];
    const outcome = this.#context.route(attempt).dump(
      LinkMessage.get,
      (writer) => writeLinkQuery(writer),
      attempt,
      (message) => found.push(read(message)),
      () => found.splice(0),
    );
    if (outcome.errno !== 0) throw refusal(attempt(), outcome.errno, outcome.text);
    return found;
  }

  get(nameOrIndex: string | number): Link | undefined {
    return getLink(
      this.#context.route(() => `look up link ${nameOrIndex}`),
      nameOrIndex,
    );
  }

  add(link: NewLink): Link {
    const attempt = (): string => `add link '${link.name}' (${link.kind})`;
    const socket = this.#context.route(attempt);
    const opened: number[] = [];
    const sockets: NetlinkSocket[] = [];
    const open = (ref: NetnsRef | undefined): number | undefined => {
      if (ref === undefined) return undefined;
      const fd = openNetns(ref);
      opened.push(fd);
      return fd;
    };
    const socketIn = (netns: number | undefined): NetlinkSocket => {
      if (netns === undefined) return socket;
      const made = inNetns(netns, () => new NetlinkSocket(NETLINK_ROUTE));
      sockets.push(made);
      return made;
    };
    try {
      const netns = open(link.netns);
      const peerNetns = link.kind === "veth" ? open(link.peer.netns) : undefined;
      socket.request(
        LinkMessage.new,
        Flag.create | Flag.exclusive,
        (writer) => writeNewLink(writer, link, netns, peerNetns),
        attempt,
      );
      if (link.kind === "veth" && link.peer.up) raise(socketIn(peerNetns ?? netns), link.peer.name);
      return finishLink(socketIn(netns), link, attempt);
    } finally {
      for (const one of sockets) one.close();
      for (const fd of opened) closeSync(fd);
    }
  }

  async make(link: PlainLink): Promise<Link> {
    const attempt = (): string => `add link '${link.name}' (${link.kind})`;
    this.#context.check(attempt);
    const peerNetns =
      link.kind === "veth" && link.peer.netns !== undefined ? openNetns(link.peer.netns) : undefined;
    let made: Link | undefined;
    try {
      await this.#background.run([
        {
          type: LinkMessage.new,
          flags: Flag.create | Flag.exclusive,
          build: (writer) => writeNewLink(writer, link, undefined, peerNetns),
          attempt,
        },
        // For its index. (Kernels from 6.2 on would tell it with the acknowledgement, by NLM_F_ECHO.)
        {
          type: LinkMessage.get,
          flags: 0,
          build: (writer) => writeLinkQuery(writer, link.name),
          attempt,
          onReply: (message) => {
            made = readLink(message);
          },
        },
      ]);
    } finally {
      if (peerNetns !== undefined) closeSync(peerNetns);
    }
    if (made === undefined) throw refusal(attempt(), Errno.ENODEV);
    return made;
  }

  change(nameOrIndex: string | number, change: LinkChange): void {
    const attempt = (): string => `change link ${nameOrIndex}`;
    const socket = this.#context.route(attempt);
    const index = indexOf(socket, nameOrIndex);
    if (index === undefined) throw refusal(attempt(), Errno.ENODEV);
    const netns = change.netns === undefined ? undefined : openNetns(change.netns);
    try {
      const { type, flags, build } = linkChange(index, change, netns);
      socket.request(type, flags, build, attempt);
    } finally {
      if (netns !== undefined) closeSync(netns);
    }
  }

  setFeatures(nameOrIndex: string | number, features: Readonly<Record<string, boolean>>): void {
    const attempt = (): string => `switch features of link ${nameOrIndex}`;
    const index = indexOf(this.#context.route(attempt), nameOrIndex);
    if (index === undefined) throw refusal(attempt(), Errno.ENODEV);
    const socket = this.#context.inside(() => new NetlinkSocket(NETLINK_GENERIC));
    try {
      let family: number | undefined;
      socket.request(GENERIC_CONTROLLER, 0, writeFamilyQuery, attempt, (message) => {
        family = readFamily(message);
      });
      if (family === undefined) throw refusal(attempt(), Errno.ENOENT, "no ethtool over netlink");
      socket.request(family, 0, (writer) => writeFeatures(writer, index, features), attempt);
    } finally {
      socket.close();
    }
  }

  async remove(nameOrIndex: string | number): Promise<void> {
    const socket = this.#context.route(() => `remove link ${nameOrIndex}`);
    const index = indexOf(socket, nameOrIndex);
    if (index !== undefined) await this.#remover.remove(index);
  }
}

function raise(socket: NetlinkSocket, name: string): void {
  const attempt = (): string => `set link '${name}' up`;
  const index = indexOf(socket, name);
  if (index === undefined) throw refusal(attempt(), Errno.ENODEV);
  const build = (writer: MessageWriter): void => writeLinkChange(writer, index, { up: true }, undefined);
  socket.request(LinkMessage.set, 0, build, attempt);
}

/** The alias is no part of making a link: the kernel takes it only as a change. Then the link is read, for its index. */
function finishLink(socket: NetlinkSocket, link: NewLink, attempt: () => string): Link {
  const made = getLink(socket, link.name);
  // Somebody else removed or renamed it since.
  if (!made) throw refusal(attempt(), Errno.ENODEV);
  const { alias } = link;
  if (alias === undefined) return made;
  socket.request(
    LinkMessage.set,
    0,
    (writer) => writeLinkChange(writer, made.index, { alias }, undefined),
    () => `set the alias of link '${link.name}'`,
  );
  return { ...made, alias };
}

/** Returns a link, or undefined where there is none. */
export function getLink(socket: NetlinkSocket, nameOrIndex: string | number): Link | undefined {
  const attempt = (): string => `look up link ${nameOrIndex}`;
  // The kernel refuses names that no interface can have; then there is no such link.
  if (typeof nameOrIndex === "string" && !fitsName(nameOrIndex)) return undefined;
  let found: Link | undefined;
  const { errno, text } = socket.tryRequest(
    LinkMessage.get,
    0,
    (writer) => writeLinkQuery(writer, nameOrIndex),
    attempt,
    (message) => {
      found = readLink(message);
    },
  );
  if (errno === Errno.ENODEV) return undefined;
  if (errno !== 0) throw refusal(attempt(), errno, text);
  return found;
}

function fitsName(name: string): boolean {
  const length = Buffer.byteLength(name);
  return length > 0 && length < 16;
}

function indexOf(socket: NetlinkSocket, nameOrIndex: string | number): number | undefined {
  return typeof nameOrIndex === "number" ? nameOrIndex : getLink(socket, nameOrIndex)?.index;
}
