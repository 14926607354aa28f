// Connection tracking, which only tests fill, and sockets, which a machine without packets does not have.
import { TrunklineError } from "../../base/errors.ts";
import { formatIp, parseIp } from "../../base/ip.ts";
import type { Conntrack, ConntrackFlow, Sockets } from "../kernel.ts";
import type { FakeContext } from "./context.ts";

export class FakeConntrack implements Conntrack {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  async list(filter: { family?: 4 | 6; address?: string } = {}): Promise<ConntrackFlow[]> {
    const { flows } = this.#context.namespace("list connections");
    await Promise.resolve();
    const address = filter.address === undefined ? undefined : formatIp(parseIp(filter.address));
    return flows.filter(
      ({ family, original, reply }) =>
        (filter.family === undefined || family === filter.family) &&
        (address === undefined ||
          [original, reply].some((tuple) => tuple.source === address || tuple.destination === address)),
    );
  }

  remove(flow: ConntrackFlow): void {
    const home = this.#context.change(
      "conntrack.remove",
      `${flow.original.source} to ${flow.original.destination}`,
    );
    home.flows = home.flows.filter((one) => one.id !== flow.id);
  }
}

export class FakeSockets implements Sockets {
  listenTcp(address: string, port: number): number {
    return none(`listen on ${address} port ${port}/tcp`);
  }

  connectTcp(address: string, port: number): number {
    return none(`connect to ${address} port ${port}/tcp`);
  }

  bindUdp(address: string, port: number): number {
    return none(`listen on ${address} port ${port}/udp`);
  }

  openRaw(_family: 4 | 6, protocol: number): number {
    return none(`open a raw socket of protocol ${protocol}`);
  }

  sendRaw(_fd: number, to: string): void {
    none(`send a raw packet to ${to}`);
  }

  receiveRaw(): { stop(): void } {
    return none("receive raw packets");
  }

  openPacket(): number {
    return none("open a packet socket");
  }

  sendPacket(): void {
    none("send a frame");
  }

  receivePackets(): { stop(): void } {
    return none("receive frames");
  }

  close(): void {
    // There are none.
  }
}

function none(attempt: string): never {
  throw new TrunklineError("kernel.refused", {
    attempt,
    errno: "ENOSYS",
    text: "a fake machine carries no packets",
  });
}
