// Kernel events by anybody: sorted by whom they concern, gathered for a moment (a change seldom comes alone), and told.
import {
  type EventGroup,
  type Kernel,
  type KernelEvent,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
} from "../../kernel/kernel.ts";
import { isOwnTable } from "../../kernel/own-tables.ts";
import { hostInterfacePattern } from "../pods/endpoint.ts";
import type { NewsGroup } from "./manager.ts";

export interface KernelNews {
  /** Groups in which something changed that managers may have to put right. */
  readonly groups: ReadonlySet<NewsGroup>;
}

/** What is put right at once, since a pod has no network meanwhile. */
export interface UrgentNews {
  /** Indexes of host ends of pods that live, of which something changed; "all" where events were lost. */
  readonly wires: ReadonlySet<number> | "all";
  /** A setting of the node changed. */
  readonly settings: boolean;
}

/** Links by their index: host ends of pods that live, and the node's uplink. */
export interface KnownLinks {
  readonly isLiveWire: (index: number) => boolean;
  readonly mayBeUplink: (index: number) => boolean;
}

export interface NewsHandlers {
  /** Called for every event at once. */
  readonly onEvent: (event: KernelEvent) => void;
  readonly onNews: (news: KernelNews) => void;
  readonly onUrgent: (news: UrgentNews) => void;
}

const watched: readonly EventGroup[] = ["link", "address", "route", "rule", "nftables", "setting"];
const managed: readonly EventGroup[] = ["link", "address", "route", "rule", "nftables"];
const GATHER_MS = 100;
const URGENT_MS = 10;

/** Follows the kernel's events until `stop`. */
export function watchKernel(kernel: Kernel, links: KnownLinks, handlers: NewsHandlers): { stop(): void } {
  let groups = new Set<NewsGroup>();
  let timer: NodeJS.Timeout | undefined;
  const urgent = new Urgent(handlers.onUrgent);
  const tell = () => {
    const news = { groups };
    groups = new Set();
    timer = undefined;
    handlers.onNews(news);
  };
  const watch = kernel.watch(watched, (event) => {
    handlers.onEvent(event);
    urgent.heard(event, links);
    const meaning = meaningOf(event);
    if (meaning === undefined) return;
    if (meaning === "all") for (const group of [...managed, "others-rules" as const]) groups.add(group);
    else groups.add(meaning);
    timer ??= setTimeout(tell, GATHER_MS);
  });
  return {
    stop: () => {
      clearTimeout(timer);
      urgent.stop();
      watch.stop();
    },
  };
}

/** Gathers what is urgent for a moment: a link that is set down and up makes several events. */
class Urgent {
  readonly #tell: (news: UrgentNews) => void;
  #wires: Set<number> | "all" = new Set();
  #settings = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (news: UrgentNews) => void) {
    this.#tell = tell;
  }

  heard(event: KernelEvent, { isLiveWire, mayBeUplink }: KnownLinks): void {
    const wire = wireOf(event);
    if (event.kind === "lost") this.#wires = "all";
    else if (wire !== undefined && isLiveWire(wire) && this.#wires !== "all") this.#wires.add(wire);
    // Every link that comes has settings, of which the kernel tells.
    else if (event.kind === "setting" && (typeof event.link === "string" || mayBeUplink(event.link)))
      this.#settings = true;
    else return;
    if (event.kind === "lost") this.#settings = true;
    this.#timer ??= setTimeout(() => {
      const news = { wires: this.#wires, settings: this.#settings };
      this.#wires = new Set();
      this.#settings = false;
      this.#timer = undefined;
      this.#tell(news);
    }, URGENT_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Returns the index of a link whose wire may have suffered, if it is one. */
function wireOf(event: KernelEvent): number | undefined {
  switch (event.kind) {
    case "link":
      // The kernel drops the routes of a link that is set down without a word about each.
      return event.change === "new" && (!event.up || event.group !== POD_LINK_GROUP)
        ? event.index
        : undefined;
    case "address":
      return event.change === "gone" ? event.address.linkIndex : undefined;
    case "route":
      return event.change === "gone" && event.route.protocol === ROUTE_PROTOCOL
        ? event.route.linkIndex
        : undefined;
    case "setting":
      return typeof event.link === "number" ? event.link : undefined;
    default:
      return undefined;
  }
}

function meaningOf(event: KernelEvent): NewsGroup | "all" | undefined {
  switch (event.kind) {
    case "lost":
      return "all";
    case "link":
      return hostInterfacePattern.test(event.name) ? undefined : "link";
    case "address":
      // Link-local ones come and go with every pod's wire, and nothing is planned from them.
      return event.address.scope === "link" ? undefined : "address";
    case "route":
      if (event.route.protocol !== ROUTE_PROTOCOL) return undefined;
      return isPodRoute(event.route.destination, event.route.via) ? undefined : "route";
    case "rule":
      return "rule";
    case "nftables":
      if (event.byUs) return undefined;
      return event.table === undefined || isOwnTable(event.table) ? "nftables" : "others-rules";
    case "neighbour":
    case "setting":
      return undefined;
  }
}

function isPodRoute(destination: string, via: string | undefined): boolean {
  return via === undefined && (destination.endsWith("/32") || destination.endsWith("/128"));
}
