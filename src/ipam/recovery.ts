// What to do when the journal is lost or damaged: addresses that something on the node uses count as held.
import type { NodeContext } from "./context.ts";
import type { JournalRecord } from "./records.ts";
import type { Owner } from "./types.ts";

const prefix = "recovered-";

/** Returns whether an owner stands for an address that was found in use: its real container is not known. */
export function isRecovered(owner: Pick<Owner, "containerId">): boolean {
  return owner.containerId.startsWith(prefix);
}

/** Returns holdings for the used addresses that `belongs` selects and that nobody holds by the journal. */
export async function recordsOfRecovery(
  context: NodeContext,
  belongs: (address: string) => boolean,
): Promise<JournalRecord[]> {
  const used = await context.inUse();
  const { ledger, clock } = context;
  return used
    .filter(({ address }) => belongs(address) && !ledger.holderOf(address))
    .map(({ address, pod, uid }) => ({
      op: "hold" as const,
      seq: ledger.nextSeq(),
      at: clock.now(),
      owner: { containerId: `${prefix}${address}`, ifName: "", pod, uid },
      addresses: [recoveredAddress(context, address)],
    }));
}

function recoveredAddress(context: NodeContext, address: string) {
  const loan = context.loans.get(address);
  const family = address.includes(":") ? (6 as const) : (4 as const);
  if (loan) return { address, family, pool: loan.pool, block: loan.cidr, loan: loan.seq };
  return { address, family, pool: "", block: "" };
}
