// A host that serves only some ranges: its kernel refuses everybody else's connections, as a managed database's list of
// admitted addresses does.
import type { Kernel } from "../../kernel/kernel.ts";

/** The table's family and name. */
export const ADMISSION_TABLE = "inet lab-host";

/** Returns the rules of a host that serves connections from those ranges only. Its answers and ICMP always pass. */
export function admissionRules(admit: readonly string[]): string {
  const rules = (["ip", "ip6"] as const).flatMap((family) => {
    const ranges = admit.filter((range) => range.includes(":") === (family === "ip6"));
    return ranges.length > 0 ? [`${family} saddr { ${ranges.join(", ")} } accept`] : [];
  });
  const body = [
    "type filter hook input priority filter; policy accept;",
    'iif "lo" accept',
    "ct state established,related accept",
    ...rules,
    "meta l4proto tcp reject with tcp reset",
    "meta l4proto { udp, sctp } reject",
  ];
  return `table ${ADMISSION_TABLE} {\n  chain input {\n${body.map((line) => `    ${line}\n`).join("")}  }\n}\n`;
}

/** Puts a host's list of admitted ranges in force. */
export async function admitOnly(kernel: Kernel, admit: readonly string[]): Promise<void> {
  await kernel.nft.run(admissionRules(admit));
}
