// What the kernel counts of TCP MD5 signatures (RFC 2385) in one network namespace. The counters name no peer.

export interface SignatureCounts {
  /** The peer signs with another password. */
  readonly failure: number;
  /** The peer does not sign, and a password is set. */
  readonly notFound: number;
  /** The peer signs, and no password is set. */
  readonly unexpected: number;
}

/** Reads /proc/net/netstat: pairs of lines, names and numbers, each pair with the same first word. */
export function readSignatureCounts(text: string): SignatureCounts {
  const counts = new Map<string, number>();
  const lines = text.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const names = (lines[at] ?? "").split(/\s+/);
    const numbers = (lines[at + 1] ?? "").split(/\s+/);
    for (const [index, name] of names.entries()) counts.set(name, Number(numbers[index]));
  }
  return {
    failure: counts.get("TCPMD5Failure") ?? 0,
    notFound: counts.get("TCPMD5NotFound") ?? 0,
    unexpected: counts.get("TCPMD5Unexpected") ?? 0,
  };
}
