// Changes of AddressBlock objects, as pure functions: what each node may write into a block, and when it must not.
import type { AddressBlock, Loan, LoanRequest, ReleaseOrder } from "../api/kinds/address-block.ts";
import { type Cidr, cidrContains, formatIp, tryParseCidr, tryParseIp } from "../base/ip.ts";

/**
 * A request or order that nobody has served for that long (ms) counts as withdrawn. Whoever wrote it takes it back much earlier,
 * unless it has ended meanwhile: this is only for those, and long enough for clocks of two machines that differ by minutes.
 */
const requestLifeMs = 600_000;

type Spec = AddressBlock["spec"];

function withSpec(block: AddressBlock, change: Partial<Spec>): AddressBlock {
  return { ...block, spec: { ...block.spec, ...change } };
}

/** Returns the range of a block; undefined where somebody has written one that is none: nobody has addresses of it. */
export function rangeOf({ spec }: AddressBlock): Cidr | undefined {
  return tryParseCidr(spec.cidr);
}

/** Owner: the claim is in the journal. */
export function confirmed(block: AddressBlock, session: string): AddressBlock {
  const present = withOwnerMissing(block, undefined);
  const annotations = { ...present.metadata.annotations, [sessionAnnotation]: session };
  return withSpec({ ...present, metadata: { ...present.metadata, annotations } }, { state: "confirmed" });
}

const ownerMissingAnnotation = "trunkline.dev/owner-missing-since";

/** How long (ms) an owner's Node object must be missing until its blocks are taken back. */
export const ownerGraceMs = 60_000;

/**
 * Collector: since when (ms) it has missed the owner's Node object; undefined: the owner is there. This is for people and
 * for `ipam check`; the collector decides by what it has seen itself.
 */
export function withOwnerMissing(block: AddressBlock, since: number | undefined): AddressBlock {
  const { [ownerMissingAnnotation]: _, ...others } = block.metadata.annotations ?? {};
  const mark = since === undefined ? {} : { [ownerMissingAnnotation]: new Date(since).toISOString() };
  return { ...block, metadata: { ...block.metadata, annotations: { ...others, ...mark } } };
}

/** Returns since when (ms) the collector has missed the owner's Node object; undefined if it has not written so. */
export function ownerMissingSince(block: AddressBlock): number | undefined {
  const since = Date.parse(block.metadata.annotations?.[ownerMissingAnnotation] ?? "");
  return Number.isNaN(since) ? undefined : since;
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

/** Whoever gave an order: it is taken back, if it is still there. */
export function withoutRelease(block: AddressBlock, { address, seq }: Pick<ReleaseOrder, "address" | "seq">) {
  const left = (block.spec.releases ?? []).filter((order) => order.address !== address || order.seq !== seq);
  return withSpec(block, { releases: left });
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
  return loansOf(block).filter((loan) => loan.node === node && loan.returned !== true);
}

/** Returns the loans of addresses of the block. What else somebody has written is nobody's, and the owner's next write drops it. */
export function loansOf(block: AddressBlock): readonly Loan[] {
  return (block.spec.loans ?? []).filter(({ address }) => isOfBlock(block, address));
}

/** Returns whether a text is an address of the block, in the one form that it is compared in. */
export function isOfBlock(block: AddressBlock, address: string): boolean {
  const [range, ip] = [rangeOf(block), tryParseIp(address)];
  return range !== undefined && ip !== undefined && cidrContains(range, ip) && formatIp(ip) === address;
}
