import type { Kernel, Machine, NetnsRef } from "../kernel.ts";
import { LinkMessage, writeLinkChange } from "../netlink/link.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../netlink/socket.ts";
import { createNetns, removeNetns } from "../netns/create.ts";
import { listNetns, netnsIdentity, withNetnsFd } from "../netns/enter.ts";
import { LinuxKernel } from "./kernel.ts";

const LOOPBACK = 1;

/** The machine that this process runs on. */
export class LinuxMachine implements Machine {
  createNetns(name: string, mark?: string): string {
    return createNetns(name, () => raiseLoopback(mark));
  }

  removeNetns(name: string): Promise<void> {
    return removeNetns(name);
  }

  listNetns(): string[] {
    return listNetns();
  }

  open(ref: NetnsRef): Kernel {
    return new LinuxKernel(ref);
  }

  identityOf(ref: NetnsRef): string {
    return withNetnsFd(ref, netnsIdentity);
  }
}

function raiseLoopback(alias: string | undefined): void {
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  try {
    socket.request(
      LinkMessage.set,
      0,
      (writer) =>
        writeLinkChange(writer, LOOPBACK, { up: true, ...(alias !== undefined && { alias }) }, undefined),
      () => "set loopback up",
    );
  } finally {
    socket.close();
  }
}
