// What a probe found out. `refused` and `filtered` are told apart: in the first case the packet arrived and somebody
// said no, in the second nobody answered.

export type Outcome = "answered" | "refused" | "filtered" | "unreachable" | "failed";

export interface ProbeResult {
  readonly reachable: boolean;
  /** The address that the far side saw; null where it did not answer or cannot tell (ICMP). */
  readonly sourceSeen: string | null;
  /** Milliseconds from the first packet to the answer. */
  readonly latencyMs: number | null;
  readonly outcome: Outcome;
  /** For people; null if reachable. */
  readonly error: string | null;
}

export function answered(sourceSeen: string | null, latencyMs: number): ProbeResult {
  const rounded = Math.round(latencyMs * 1000) / 1000;
  return { reachable: true, sourceSeen, latencyMs: rounded, outcome: "answered", error: null };
}

export function failed(outcome: Exclude<Outcome, "answered">, error: string): ProbeResult {
  return { reachable: false, sourceSeen: null, latencyMs: null, outcome, error };
}

/** Returns what a socket's error means. */
export function fromErrno(error: unknown): ProbeResult {
  const code = errnoOf(error);
  switch (code) {
    case "ECONNREFUSED":
    case "ECONNRESET":
    // Nobody speaks that protocol there: ICMP, and ICMPv6's word for it.
    case "ENOPROTOOPT":
    case "EPROTO":
      return failed(
        "refused",
        "refused: the packet arrived, but nobody listens there or the host does not admit it",
      );
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EACCES":
    // A blackhole route among the sender's own, or an address that means nobody without the name of a link.
    case "EINVAL":
      return failed("unreachable", `unreachable (${code}): a router or the sender's own routes said so`);
    case "EPERM":
      return failed("filtered", "filtered: a rule on the sender's own machine stops it (EPERM)");
    default:
      return failed("failed", error instanceof Error ? error.message : String(error));
  }
}

export function timedOut(timeoutMs: number): ProbeResult {
  return failed("filtered", `no answer within ${timeoutMs} ms: filtered or lost`);
}

// Errors of sockets carry `code`; those of the kernel's door carry the errno among their facts.
function errnoOf(error: unknown): string | undefined {
  const { code, data } = error as { code?: string; data?: { errno?: string } };
  return data?.errno ?? code;
}
