// A handle on one network namespace of the real kernel.
import { readFileSync } from "node:fs";
import type {
  Change,
  EventGroup,
  Kernel,
  KernelEvent,
  LoggedPacket,
  NetnsRef,
  PacketLog,
} from "../kernel.ts";
import { LinuxNft } from "../nft/nft.ts";
import { LinuxSockets } from "../sockets/sockets.ts";
import { LinuxSysctl } from "../sysctl/sysctl.ts";
import { LinuxAddresses } from "./addresses.ts";
import { BackgroundRequests } from "./background-requests.ts";
import { requestOf } from "./changes.ts";
import { LinuxConntrack } from "./conntrack.ts";
import { Context } from "./context.ts";
import { watchEvents } from "./events.ts";
import { ipsecPolicies } from "./ipsec.ts";
import { LinuxLinks } from "./links.ts";
import { LinuxNeighbours } from "./neighbours.ts";
import { listenToLog } from "./packet-log.ts";
import { LinuxRateLimits } from "./rate-limits.ts";
import { LinuxRoutes } from "./routes.ts";
import { LinuxRules } from "./rules.ts";

export class LinuxKernel implements Kernel {
  readonly links: LinuxLinks;
  readonly addresses: LinuxAddresses;
  readonly routes: LinuxRoutes;
  readonly rules: LinuxRules;
  readonly neighbours: LinuxNeighbours;
  readonly rateLimits: LinuxRateLimits;
  readonly sysctl: LinuxSysctl;
  readonly nft: LinuxNft;
  readonly conntrack: LinuxConntrack;
  readonly sockets: LinuxSockets;
  readonly #context: Context;
  readonly #background: BackgroundRequests;

  /** @throws `kernel.no-netns` */
  constructor(ref: NetnsRef) {
    const context = new Context(ref);
    this.#context = context;
    this.#background = new BackgroundRequests(context);
    this.links = new LinuxLinks(context, this.#background);
    this.addresses = new LinuxAddresses(context);
    this.routes = new LinuxRoutes(context);
    this.rules = new LinuxRules(context);
    this.neighbours = new LinuxNeighbours(context);
    this.rateLimits = new LinuxRateLimits(context);
    this.sysctl = new LinuxSysctl((body, attempt) => {
      context.check(attempt);
      return context.inside(body);
    });
    this.nft = new LinuxNft(context);
    this.conntrack = new LinuxConntrack(context);
    this.sockets = new LinuxSockets(context);
  }

  packetLog(group: number, onPackets: (packets: readonly LoggedPacket[], lost: number) => void): PacketLog {
    return listenToLog(this.#context, group, onPackets);
  }

  netstat(): string {
    this.#context.check(() => "read the network's counters");
    return this.#context.inside(() => readFileSync("/proc/thread-self/net/netstat", "latin1"));
  }

  ipsecPolicies(): number {
    return ipsecPolicies(this.#context);
  }

  async apply(changes: readonly Change[]): Promise<void> {
    this.#context.check(() => "change the network");
    if (changes.length > 0) await this.#background.run(changes.map(requestOf));
  }

  watch(groups: readonly EventGroup[], onEvent: (event: KernelEvent) => void): { stop(): void } {
    this.#context.check(() => "watch events");
    return watchEvents(this.#context, groups, onEvent, (port) => this.nft.isOurs(port));
  }

  close(): void {
    this.#context.close();
  }
}
