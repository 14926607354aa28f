// Changes of AddressBlock objects, as pure functions: what each node may write into a block, and when it must not.
import type { AddressBlock, Loan, LoanRequest, ReleaseOrder } from "../api/kinds/address-block.ts";

/** A request or order that nobody has served for that long (ms) counts as withdrawn. */
const requestLifeMs = 60_000;

type Spec = AddressBlock["spec"];

function withSpec(block: AddressBlock, change: Partial<Spec>): AddressBlock {
  return { ...block, spec: { ...block.spec, ...change } };
}

/** Owner: the claim is in the journal. */
export function confirmed(block: AddressBlock, session: string): AddressBlock {
  const annotations = { ...block.metadata.annotations, [sessionAnnotation]: session };
  return withSpec({ ...block, metadata: { ...block.metadata, annotations } }, { state: "confirmed" });
}

/**
 * Names the owner's present run. Writing it moves the block to a new version, so that whoever decided on the older one
 * that the owner is gone for good cannot act on that any more.
 */
export const sessionAnnotation = "trunkline.dev/owner-session";

/** Owner: what it has lent, and which requests are left. */
export function withLoans(
  block: AddressBlock,
  loans: readonly Loan[],
  requests: readonly LoanRequest[],
): AddressBlock {
  return withSpec(block, { loans, requests });
}

/** Borrower: asks for an address; its earlier request is replaced. */
export function withRequest(block: AddressBlock, request: LoanRequest): AddressBlock {
  const others = (block.spec.requests ?? []).filter((other) => other.node !== request.node);
  return withSpec(block, { requests: [...others, request] });
}

/** Borrower: no longer asks. */
export function withoutRequest(block: AddressBlock, node: string): AddressBlock {
  return withSpec(block, { requests: (block.spec.requests ?? []).filter((other) => other.node !== node) });
}

/** Borrower (or the controller, for one that is gone): that loan is over. */
export function withReturned(block: AddressBlock, address: string, seq: number | undefined): AddressBlock {
  const loans = (block.spec.loans ?? []).map((loan) =>
    loan.address === address && loan.seq === seq ? { ...loan, returned: true } : loan,
  );
  return withSpec(block, { loans });
}

/** Anybody: orders the holder to free an address. */
export function withRelease(block: AddressBlock, order: ReleaseOrder): AddressBlock {
  const others = (block.spec.releases ?? []).filter((other) => other.address !== order.address);
  return withSpec(block, { releases: [...others, order] });
}

/** Holder: its orders are carried out. */
export function withoutReleases(block: AddressBlock, node: string): AddressBlock {
  return withSpec(block, { releases: (block.spec.releases ?? []).filter((order) => order.node !== node) });
}

/** Returns whether a request or an order is not too old to be acted upon. */
export function isFresh(request: { readonly at: string }, now: number): boolean {
  return now - Date.parse(request.at) < requestLifeMs;
}

/** Returns the loans of a block that `node` may use. */
export function loansTo(block: AddressBlock, node: string): readonly Loan[] {
  return (block.spec.loans ?? []).filter((loan) => loan.node === node && loan.returned !== true);
}
