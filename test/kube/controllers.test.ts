// Controllers as processes against a real API server: who leads, and the first pool.
import { afterAll, beforeAll, expect, it } from "vitest";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { leaseKind } from "../../src/api/kinds/lease.ts";
import { eventually, KubeBed, type Started } from "./bed.ts";

const pool = { CALICO_IPV4POOL_CIDR: "10.1.0.0/16" };
let bed: KubeBed;
const controllers = new Map<string, Started>();

const startController = (identity: string) =>
  controllers.set(identity, bed.start(["controller", "--identity", identity], pool));
const holder = async () =>
  (await bed.store.get(leaseKind, "trunkline-controller", "kube-system"))?.spec?.holderIdentity || undefined;
const leader = () => eventually(holder);

beforeAll(async () => {
  bed = await KubeBed.start();
  await bed.define();
}, 120_000);
afterAll(() => bed?.end(), 60_000);

it("has one leader, which makes the first pool; a leader that is paused stops acting; one that ends hands over", async () => {
  for (const name of ["a", "b"]) startController(name);
  const first = await leader();
  await eventually(() => bed.store.get(ipPoolKind, "default-ipv4-ippool"));
  const paused = controllers.get(first)!;
  paused.child.kill("SIGSTOP");
  const second = await eventually(async () => {
    const now = await holder();
    return now === first ? undefined : now;
  });
  expect(second).not.toBe(first);
  paused.child.kill("SIGCONT");
  await eventually(() => (paused.log().includes("no longer leads") ? true : undefined));
  expect(await holder()).toBe(second);
  // Its process lives on and waits for its turn, which comes at once when the leader ends in order.
  controllers.get(second)!.child.kill("SIGTERM");
  expect(await controllers.get(second)!.ended).toBe(0);
  expect(await eventually(async () => ((await holder()) === first ? first : undefined))).toBe(first);
  // The pool's owner deletes it: no later leader brings it back.
  await bed.store.delete(ipPoolKind, "default-ipv4-ippool");
  paused.child.kill("SIGTERM");
  expect(await paused.ended).toBe(0);
  startController("c");
  await eventually(async () => ((await holder()) === "c" ? true : undefined));
  await eventually(() => (controllers.get("c")!.log().includes("controller works") ? true : undefined));
  expect(await bed.store.get(ipPoolKind, "default-ipv4-ippool")).toBeUndefined();
});
