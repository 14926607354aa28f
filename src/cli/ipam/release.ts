// Freeing addresses by hand: an order in the block's object, which the node that holds the address carries out.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type AddressBlock, addressBlockKind } from "../../api/kinds/address-block.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { tryParseIp } from "../../base/ip.ts";
import { withoutRelease, withRelease } from "../../ipam/block-object.ts";
import { tunnelDeviceOf } from "../../ipam/tunnel-owner.ts";
import { blockWith, livePodWith } from "../../plan/addressing/check.ts";
import { holderOf } from "../../plan/subnets/pod-eni/ledger.ts";
import { change } from "../../store/change.ts";
import type { Store } from "../../store/store.ts";
import { ask } from "../ask.ts";
import { withStore } from "../context.ts";
import { type AddressData, type AddressOptions, readAddresses } from "./data.ts";
import { releaseHeld } from "./release-held.ts";
import type { ReleaseOptions, ReleaseResult } from "./release-result.ts";

interface Wish {
  readonly address: string;
  /** The allocation that the report found; absent: whichever there is. */
  readonly seq?: number;
}

interface Order {
  readonly address: string;
  readonly node: string;
  readonly seq: number;
  readonly block: AddressBlock;
  readonly pod: string;
}

/** Frees addresses that no living pod uses. @throws `cli.usage`, `cli.declined` and what the store throws */
export async function releaseAddresses(
  addresses: readonly string[],
  options: ReleaseOptions,
): Promise<ReleaseResult[]> {
  const wishes = options.fromReport === undefined ? addresses.map(toWish) : readReport(options.fromReport);
  if (options.fromReport !== undefined && addresses.length > 0)
    throw new TrunklineError("cli.usage", { why: "either addresses or --from-report, not both" });
  if (options.fromReport === undefined && addresses.length === 0)
    throw new TrunklineError("cli.usage", { why: "name an address, or a report with --from-report" });
  const data = await readAddresses(options);
  const held = wishes.filter(({ address }) => holderOf(data.facts, address));
  if (held.length > 0) {
    const others = wishes.filter((wish) => !held.includes(wish));
    const released = await releaseHeld(
      data.facts,
      held.map(({ address }) => address),
      options,
    );
    return others.length === 0 ? released : [...released, ...(await carryOutAll(data, others, options))];
  }
  return carryOutAll(data, wishes, options);
}

async function carryOutAll(
  data: AddressData,
  wishes: readonly Wish[],
  options: ReleaseOptions,
): Promise<ReleaseResult[]> {
  const looked = wishes.map((wish) => orderFor(data, wish));
  const orders = looked.filter((one): one is Order => "node" in one);
  const refused = looked.filter((one): one is ReleaseResult => "result" in one);
  if (orders.length === 0) return refused;
  const words = orders.map(({ address, node, pod }) => `${address} (${pod || "unknown pod"} on ${node})`);
  if (!options.yes) await ask(`Free ${words.join(", ")}?`);
  const done = await withStore(options, (store) => carryOut(store, orders, options));
  return [...refused, ...done];
}

function toWish(address: string): Wish {
  if (!tryParseIp(address))
    throw new TrunklineError("cli.usage", { why: `'${address}' is not an IP address` });
  return { address };
}

/** Reads the leaks of `ipam check -o json`. */
function readReport(file: string): Wish[] {
  const bad = (why: string) => new TrunklineError("cli.usage", { why: `the report ${file} ${why}` });
  let report: { readonly findings?: unknown };
  try {
    report = JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8")) as { readonly findings?: unknown };
  } catch (error) {
    // No such file, or no JSON: both are the user's to mend.
    throw bad(`cannot be read: ${textOf(error)}`);
  }
  if (!Array.isArray(report?.findings)) throw bad("has no findings: make it with `ipam check -o json`");
  return (report.findings as { kind?: unknown; what?: unknown; seq?: unknown }[]).flatMap(
    ({ kind, what, seq }) =>
      kind === "leak" && typeof what === "string" && typeof seq === "number" ? [{ address: what, seq }] : [],
  );
}

function orderFor({ facts, ledgers }: AddressData, { address, seq }: Wish): Order | ReleaseResult {
  const refuse = (result: string): ReleaseResult => ({ address, ok: false, result: `not freed: ${result}` });
  const user = livePodWith(facts, address);
  if (user !== undefined) return refuse(`pod ${user} uses it`);
  const block = blockWith(facts, address);
  if (!block) return refuse("it is in no block");
  for (const [node, ledger] of ledgers) {
    const holding = ledger.holderOf(address);
    if (!holding) continue;
    if (seq !== undefined && holding.seq !== seq)
      return refuse("the report is stale: another allocation holds it now");
    const device = tunnelDeviceOf(holding.owner);
    if (device !== undefined) return refuse(`device ${device} of node ${node} has it`);
    const pod = facts.pods.get(holding.owner.pod);
    if (pod && pod.metadata.uid === holding.owner.uid && pod.spec.nodeName === node)
      return refuse(`pod ${holding.owner.pod} is being started with it`);
    return { address, node, seq: holding.seq, block, pod: holding.owner.pod };
  }
  return refuse("no node holds it");
}

async function carryOut(
  store: Store,
  orders: readonly Order[],
  options: ReleaseOptions,
): Promise<ReleaseResult[]> {
  const { waitMs = 10_000 } = options;
  for (const order of orders) await write(store, order);
  const deadline = performance.now() + waitMs;
  let left = orders;
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(100);
    left = await stillHeld(left, options);
  }
  // An agent that comes back in an hour must not free what nobody waits for any more.
  const refused = new Set<Order>();
  for (const order of left) if (!(await withdraw(store, order))) refused.add(order);
  if (left.length > 0) left = await stillHeld(left, options);
  return orders.map((order) => {
    const { address, node } = order;
    if (!left.includes(order)) return { address, ok: true, result: "freed" };
    const why = refused.has(order)
      ? `found the order too old: its clock is more than ten minutes ahead of this machine's`
      : "did not answer; the order is withdrawn";
    return { address, ok: false, result: `not freed: the agent of ${node} ${why}` };
  });
}

async function stillHeld(orders: readonly Order[], options: AddressOptions): Promise<readonly Order[]> {
  const { ledgers } = await readAddresses(options);
  return orders.filter(({ node, address, seq }) => ledgers.get(node)?.holderOf(address)?.seq === seq);
}

async function write(store: Store, { address, node, seq, block }: Order): Promise<void> {
  const at = new Date().toISOString();
  await change(store, addressBlockKind, block.metadata, (now) =>
    withRelease(now, { address, node, seq, at }),
  );
}

/** Returns whether the order was still there. */
async function withdraw(store: Store, order: Order): Promise<boolean> {
  let found = false;
  await change(store, addressBlockKind, order.block.metadata, (now) => {
    const after = withoutRelease(now, order);
    found = after.spec.releases?.length !== now.spec.releases?.length;
    return found ? after : undefined;
  });
  return found;
}
