// What a pod or host does in the lab: it listens on its ports and tells everybody who comes the address that it saw.
// The sockets live in its namespace, the code in this process.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { promisify } from "node:util";
import { decodeSctp, encodeSctp, SCTP, withoutIpHeader } from "../../agent/probe/sctp.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { LabPort } from "../file/lab-file.ts";

export interface ResponderOptions {
  readonly kernel: Kernel;
  readonly ports: readonly LabPort[];
  /** Its own addresses. */
  readonly addresses: readonly string[];
  /**
   * The SCTP ports that are open in its namespace, shared by all who answer in it: each of them hears every INIT, and
   * must not refuse one that is for another. Default: it is alone.
   */
  readonly sctpPorts?: Set<number>;
  /** Told of a port that could not be opened, such as one that is taken on a node. */
  readonly onError: (error: unknown, port: LabPort) => void;
}

export class Responder {
  readonly #options: ResponderOptions;
  readonly #sctpPorts: Set<number>;
  readonly #stops: (() => Promise<void> | void)[] = [];

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.#sctpPorts = options.sctpPorts ?? new Set();
  }

  start(): this {
    const { ports, addresses, onError } = this.#options;
    const families = new Set(addresses.map((address) => (address.includes(":") ? 6 : 4) as 4 | 6));
    for (const port of ports.filter(({ protocol }) => protocol !== "SCTP")) {
      try {
        if (port.protocol === "TCP") for (const family of families) this.#listenTcp(family, port.port);
        // A reply must leave with the address that was asked, so other sockets are bound to one address each.
        else for (const address of addresses) this.#listenUdp(address, port.port);
      } catch (error) {
        onError(error, port);
      }
    }
    const own = this.#takeSctpPorts();
    if (own.size > 0) for (const address of addresses) this.#listenSctp(address, own);
    return this;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stops.splice(0).map(async (stop) => stop()));
  }

  #listenTcp(family: 4 | 6, port: number): void {
    const fd = this.#options.kernel.sockets.listenTcp(family === 4 ? "0.0.0.0" : "::", port);
    const open = new Set<Socket>();
    const server: Server = createServer((socket) => {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
      answer(socket);
    });
    server.listen({ fd });
    server.on("error", (error) => this.#options.onError(error, { port, protocol: "TCP" }));
    this.#stops.push(() => {
      for (const socket of open) socket.destroy();
      return promisify(server.close.bind(server))();
    });
  }

  #listenUdp(address: string, port: number): void {
    const fd = this.#options.kernel.sockets.bindUdp(address, port);
    const socket: UdpSocket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.bind({ fd });
    socket.on("message", (_text, peer) =>
      socket.send(`${peer.address}\n`, peer.port, peer.address, ignoreLoss),
    );
    socket.on("error", (error) => this.#options.onError(error, { port, protocol: "UDP" }));
    this.#stops.push(() => promisify(socket.close.bind(socket))());
  }

  /** Raw sockets do not exclude each other as bound ones do, so a port that is taken is found here. */
  #takeSctpPorts(): ReadonlySet<number> {
    const own = new Set<number>();
    for (const port of this.#options.ports.filter(({ protocol }) => protocol === "SCTP")) {
      if (this.#sctpPorts.has(port.port))
        this.#options.onError(new TrunklineError("lab.port-taken", port), port);
      else own.add(port.port);
    }
    for (const port of own) this.#sctpPorts.add(port);
    this.#stops.push(() => {
      for (const port of own) this.#sctpPorts.delete(port);
    });
    return own;
  }

  #listenSctp(address: string, own: ReadonlySet<number>): void {
    const { sockets } = this.#options.kernel;
    const family = address.includes(":") ? 6 : 4;
    const fd = sockets.openRaw(family, SCTP, { from: address });
    const receiving = sockets.receiveRaw(fd, (bytes, from) => {
      const packet = decodeSctp(withoutIpHeader(bytes, family));
      if (packet?.chunk.type !== "init") return;
      const mine = own.has(packet.destinationPort);
      if (!mine && this.#sctpPorts.has(packet.destinationPort)) return;
      const chunk = mine
        ? ({ type: "init-ack", initiateTag: packet.chunk.initiateTag, cookie: Buffer.from(from) } as const)
        : ({ type: "abort" } as const);
      const reply = encodeSctp({
        sourcePort: packet.destinationPort,
        destinationPort: packet.sourcePort,
        tag: packet.chunk.initiateTag,
        chunk,
      });
      try {
        sockets.sendRaw(fd, from, reply);
      } catch (error) {
        ignoreLoss(error);
      }
    });
    this.#stops.push(() => {
      receiving.stop();
      sockets.close(fd);
    });
  }
}

/** How long a peer may stay silent, in milliseconds, before the connection ends. */
const SILENCE_MS = 500;

/** Says at once where the peer comes from, and again to everything that it sends: so a connection can also be kept. */
function answer(socket: Socket): void {
  const seen = `${socket.remoteAddress}\n`;
  const silence = setTimeout(() => socket.end(), SILENCE_MS);
  socket.on("close", () => clearTimeout(silence));
  // A peer that goes away in the middle is its own business.
  socket.on("error", () => socket.destroy());
  socket.on("data", () => {
    clearTimeout(silence);
    socket.write(seen);
  });
  socket.write(seen);
}

/** A reply that cannot be sent (no route back, a filter) is a lost packet, which whoever asked finds out. */
function ignoreLoss(_error: unknown): void {}
