// Whether one end's kernel answers another end.
import { probe } from "../../src/agent/probe/client.ts";
import type { Machine } from "../../src/kernel/kernel.ts";

interface PingOptions {
  /** Address to send from; default: as the kernel chooses. */
  readonly from?: string | undefined;
  /** Default 2000. */
  readonly timeoutMs?: number;
}

/** Returns whether an echo request from a namespace is answered. */
export async function pings(
  machine: Machine,
  netns: string,
  to: string,
  { from, timeoutMs = 2000 }: PingOptions = {},
): Promise<boolean> {
  const kernel = machine.open({ name: netns });
  try {
    const ask = { kernel, to, protocol: "ICMP", timeoutMs, ...(from !== undefined && { from }) } as const;
    return (await probe(ask)).reachable;
  } finally {
    kernel.close();
  }
}
