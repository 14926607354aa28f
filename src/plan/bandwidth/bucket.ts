// The token bucket for a rate (tc-tbf(8)): as small as does not slow down what keeps to the rate, so that what exceeds it
// is held back at once.
import type { RateLimit } from "../../kernel/kernel.ts";

/** Ethernet's header, with a VLAN's tag. */
const HEADER = 18;
/** A timer of the kernel's may be late by so much without a loss. */
const BURST_SECONDS = 0.01;
/** How long what is sent too quickly may wait: as the CNI project's bandwidth plugin and Terway have it. */
const WAIT_SECONDS = 0.025;
const LEAST_BURST_FRAMES = 2;
/** A connection that can never have a few packets on their way is far slower than its rate. */
const LEAST_WAITING_FRAMES = 8;
const MOST = 0xffffffff;

/**
 * Returns the bucket for a link.
 * @param mtu of the link, in bytes
 */
export function bucketOf(linkIndex: number, bytesPerSecond: number, mtu: number): RateLimit {
  const frame = mtu + HEADER;
  const burst = Math.max(Math.ceil(bytesPerSecond * BURST_SECONDS), LEAST_BURST_FRAMES * frame);
  const waiting = Math.max(Math.ceil(bytesPerSecond * WAIT_SECONDS), LEAST_WAITING_FRAMES * frame);
  return {
    linkIndex,
    bytesPerSecond,
    burst: Math.min(burst, MOST),
    queue: Math.min(burst + waiting, MOST),
  };
}
