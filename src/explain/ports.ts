// Ports as people write them on the command line and as answers name them: `80/tcp`.
import type { Protocol } from "../api/kinds/core.ts";
import { TrunklineError } from "../base/errors.ts";

export interface Port {
  readonly port: number;
  readonly protocol: Protocol;
}

/** Returns `80/tcp`. */
export function formatPort({ port, protocol }: Port): string {
  return `${port}/${protocol.toLowerCase()}`;
}

const protocols = { tcp: "TCP", udp: "UDP", sctp: "SCTP" } as const;

/**
 * Parses `80`, `80/tcp`, `53/UDP`, `9/sctp`; without a protocol it is TCP.
 * @throws TrunklineError `explain.port`
 */
export function parsePort(text: string): Port {
  const [number = "", word = "tcp", ...more] = text.trim().split("/");
  const protocol = protocols[word.toLowerCase() as keyof typeof protocols];
  const port = Number(number);
  const good = /^[1-9]\d{0,4}$/.test(number) && port <= 65_535;
  if (more.length > 0 || protocol === undefined || !good) throw new TrunklineError("explain.port", { text });
  return { port, protocol };
}

/**
 * Parses `80/tcp,81/udp`.
 * @throws TrunklineError `explain.port`
 */
export function parsePorts(text: string): Port[] {
  return uniquePorts(text.split(",").map(parsePort));
}

/** Returns ports without repeats, TCP before UDP before SCTP, then by number. */
export function uniquePorts(ports: Iterable<Port>): Port[] {
  const byText = new Map([...ports].map((port) => [formatPort(port), port]));
  const order: readonly Protocol[] = ["TCP", "UDP", "SCTP"];
  return [...byText.values()].toSorted(
    (a, b) => order.indexOf(a.protocol) - order.indexOf(b.protocol) || a.port - b.port,
  );
}
