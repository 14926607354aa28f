// Multicast groups of rtnetlink and nftables, turned into events.

import { libc } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { EventGroup, KernelEvent } from "../kernel.ts";
import { AddressMessage, readAddress } from "../netlink/address.ts";
import { LinkMessage, readLinkNotice } from "../netlink/link.ts";
import { eachMessage, type Message } from "../netlink/message.ts";
import { NeighbourMessage } from "../netlink/neighbour.ts";
import { NetconfMessage, readNetconfLink } from "../netlink/netconf.ts";
import { NFNLGRP_NFTABLES, readNftNotice } from "../netlink/nftables.ts";
import { RouteMessage, readRoute } from "../netlink/route.ts";
import { RuleMessage } from "../netlink/rule.ts";
import {
  bindNetlink,
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  openNetlink,
  receiveEvent,
  SOCK_NONBLOCK,
  setNetlinkOption,
  setReceiveBuffer,
} from "../netlink/socket.ts";
import type { Context } from "./context.ts";
import { onReadable } from "./poller.ts";

/** RTNLGRP_… numbers (linux/rtnetlink.h). */
const routeGroups: Record<Exclude<EventGroup, "nftables">, readonly number[]> = {
  link: [1],
  neighbour: [3],
  address: [5, 9],
  route: [7, 11],
  rule: [8, 19],
  setting: [24, 25],
};
const RECEIVE_BUFFER = 4 << 20;
/** Datagrams read in one go before other work gets its turn. */
const BURST = 256;
/** A pod that comes or goes makes a dozen events within a few ms: they are heard together. */
const REST_MS = 5;
const RTM_F_CLONED = 0x200;

type Parse = (message: Message, push: (event: KernelEvent) => void) => void;

/**
 * Watches groups in the handle's namespace until `stop` is called.
 * @param isOurs whether a port id is one of our nftables sockets
 */
export function watchEvents(
  context: Context,
  groups: readonly EventGroup[],
  onEvent: (event: KernelEvent) => void,
  isOurs: (port: number) => boolean,
): { stop(): void } {
  const stops: (() => void)[] = [];
  const numbers = groups.flatMap((group) => (group === "nftables" ? [] : routeGroups[group]));
  try {
    if (numbers.length > 0)
      stops.push(watchSocket(context, NETLINK_ROUTE, numbers, parseRouteEvent, onEvent));
    if (groups.includes("nftables"))
      stops.push(watchSocket(context, NETLINK_NETFILTER, [NFNLGRP_NFTABLES], nftParser(isOurs), onEvent));
  } catch (error) {
    for (const one of stops) one();
    throw error;
  }
  const stop = (): void => {
    forget();
    for (const one of stops.splice(0)) one();
  };
  const forget = context.onClose(stop);
  return { stop };
}

function watchSocket(
  context: Context,
  protocol: number,
  groups: readonly number[],
  parse: Parse,
  onEvent: (event: KernelEvent) => void,
): () => void {
  const fd = context.inside(() => openNetlink(protocol, SOCK_NONBLOCK));
  try {
    bindNetlink(fd);
    setReceiveBuffer(fd, RECEIVE_BUFFER);
    for (const group of groups) {
      if (!setNetlinkOption(fd, NETLINK_ADD_MEMBERSHIP, group)) {
        throw refusal(`watch netlink group ${group}`, libc().errno());
      }
    }
  } catch (error) {
    libc().close(fd);
    throw error;
  }
  let watching = true;
  const watcher = onReadable(
    fd,
    () => {
      for (let left = BURST; left > 0 && watching; left--) {
        const { bytes, result } = receiveEvent(fd);
        if (result === "empty") return;
        // All are read before the first is told: whoever is told may make requests, which use the same buffer.
        const events: KernelEvent[] = [];
        if (result === "lost") events.push({ kind: "lost" });
        else
          eachMessage(bytes, result.length, (message) => {
            parse(message, (event) => events.push(event));
            return undefined;
          });
        for (const event of events) if (watching) onEvent(event);
      }
    },
    REST_MS,
  );
  return () => {
    watching = false;
    watcher.stop();
    libc().close(fd);
  };
}

function parseRouteEvent(message: Message, push: (event: KernelEvent) => void): void {
  switch (message.type) {
    case LinkMessage.new:
    case LinkMessage.delete:
      // Family 0 is the link itself; others tell of its part in a bridge or of protocol settings.
      if (message.bytes[message.from] !== 0) return;
      push({
        kind: "link",
        change: message.type === LinkMessage.new ? "new" : "gone",
        ...readLinkNotice(message),
      });
      return;
    case AddressMessage.new:
    case AddressMessage.delete: {
      const change = message.type === AddressMessage.new ? "new" : "gone";
      push({ kind: "address", change, address: readAddress(message) });
      return;
    }
    case RouteMessage.new:
    case RouteMessage.delete: {
      if ((message.bytes.readUInt32LE(message.from + 8) & RTM_F_CLONED) !== 0) return;
      const route = readRoute(message);
      if (route) push({ kind: "route", change: message.type === RouteMessage.new ? "new" : "gone", route });
      return;
    }
    case RuleMessage.new:
    case RuleMessage.delete:
      push({ kind: "rule", change: message.type === RuleMessage.new ? "new" : "gone" });
      return;
    case NeighbourMessage.new:
    case NeighbourMessage.delete:
      push({ kind: "neighbour", change: message.type === NeighbourMessage.new ? "new" : "gone" });
      return;
    case NetconfMessage.new:
      push({ kind: "setting", link: readNetconfLink(message) });
      return;
    default:
  }
}

/** One event a transaction and table: the messages of a transaction come together, closed by the new generation. */
function nftParser(isOurs: (port: number) => boolean): Parse {
  const touched = new Set<string | undefined>();
  return (message, push) => {
    const notice = readNftNotice(message);
    if (notice?.kind === "object") touched.add(notice.table);
    if (notice?.kind !== "end") return;
    const byUs = isOurs(message.port);
    for (const table of touched) push({ kind: "nftables", table, byUs });
    touched.clear();
  };
}
