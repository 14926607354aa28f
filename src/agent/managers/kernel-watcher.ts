// Kernel events by anybody: sorted by whom they concern, gathered for a moment (a change seldom comes alone), and told.
import { type EventGroup, type Kernel, type KernelEvent, ROUTE_PROTOCOL } from "../../kernel/kernel.ts";
import { hostInterfacePattern } from "../pods/endpoint.ts";
import type { NewsGroup } from "./manager.ts";

export interface KernelNews {
  /** Groups in which something changed that managers may have to put right. */
  readonly groups: ReadonlySet<NewsGroup>;
  /** The host route of a pod that lives went away. */
  readonly podRoutes: boolean;
}

const watched: readonly EventGroup[] = ["link", "address", "route", "rule", "nftables"];
const GATHER_MS = 100;
const OUR_TABLE = "trunkline";

/** Calls `onEvent` for every event at once, and `onNews` for those gathered, until `stop`. */
export function watchKernel(
  kernel: Kernel,
  isLiveWire: (linkIndex: number) => boolean,
  onEvent: (event: KernelEvent) => void,
  onNews: (news: KernelNews) => void,
): { stop(): void } {
  let groups = new Set<NewsGroup>();
  let podRoutes = false;
  let timer: NodeJS.Timeout | undefined;
  const tell = () => {
    const news = { groups, podRoutes };
    groups = new Set();
    podRoutes = false;
    timer = undefined;
    onNews(news);
  };
  const watch = kernel.watch(watched, (event) => {
    onEvent(event);
    const meaning = meaningOf(event, isLiveWire);
    if (meaning === undefined) return;
    if (meaning === "all") for (const group of [...watched, "others-rules" as const]) groups.add(group);
    else if (meaning === "pod-route") podRoutes = true;
    else groups.add(meaning);
    if (meaning === "all") podRoutes = true;
    timer ??= setTimeout(tell, GATHER_MS);
  });
  return {
    stop: () => {
      clearTimeout(timer);
      watch.stop();
    },
  };
}

function meaningOf(
  event: KernelEvent,
  isLiveWire: (linkIndex: number) => boolean,
): NewsGroup | "pod-route" | "all" | undefined {
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
      if (!isPodRoute(event.route.destination, event.route.via)) return "route";
      // Those that we remove ourselves are of wires that live no longer.
      return event.change === "gone" && isLiveWire(event.route.linkIndex ?? 0) ? "pod-route" : undefined;
    case "rule":
      return "rule";
    case "nftables":
      if (event.byUs) return undefined;
      return event.table === undefined || event.table === OUR_TABLE ? "nftables" : "others-rules";
    case "neighbour":
      return undefined;
  }
}

function isPodRoute(destination: string, via: string | undefined): boolean {
  return via === undefined && (destination.endsWith("/32") || destination.endsWith("/128"));
}
