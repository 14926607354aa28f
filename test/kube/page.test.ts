// The page that a controller serves in a cluster: with the rights that come with its setting and no more, once its token is
// there, and never in the way of what else the controller does.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { controllerPageRules } from "../../src/cli/deploy/rights.ts";
import type { About, MapAnswer } from "../../src/ui/api.ts";
import { audited, compareRights, manifestsOf } from "./audit.ts";
import { auditArguments } from "./audit-log.ts";
import { eventually, KubeBed, type Started } from "./bed.ts";

const token = "page-token-of-more-than-32-letters-0123456789";

let bed: KubeBed;
let controller: Started;
let tokenFile: string;

beforeAll(async () => {
  bed = await KubeBed.start(auditArguments);
  const manifests = await manifestsOf(bed, "ui.listen=127.0.0.1:7080", "pool.ipv4=10.1.0.0/16");
  await bed.install(manifests);
  await bed.nodes(["n1"]);
  tokenFile = path.join(bed.folder, "page-token");
  controller = bed.start(
    ["controller", "--identity", "c", "--ui-listen", "127.0.0.1:0", "--ui-token-file", tokenFile],
    { CALICO_IPV4POOL_CIDR: "10.1.0.0/16" },
    await bed.tokenOf("trunkline-controller"),
  );
}, 180_000);
afterAll(() => bed?.end(), 60_000);

it("waits for its token, while the controller works; then answers who has it", async () => {
  await eventually(() => bed.store.get(ipPoolKind, "default-ipv4-ippool"));
  await eventually(async () => (controller.log().includes("the page is not served") ? true : undefined));
  writeFileSync(tokenFile, `${token}\n`);
  const origin = await eventually(async () => /"origin":"([^"]+)"/.exec(controller.log())?.[1]);
  const ask = (what: string, authorization = `Bearer ${token}`) =>
    fetch(`${origin}/api/v1/${what}`, { headers: { authorization } });
  expect((await ask("about", "Bearer wrong")).status).toBe(401);
  expect((await (await ask("about")).json()) as About).toMatchObject({ kind: "cluster" });
  const map = (await (await ask("map")).json()) as MapAnswer;
  expect(map.nodes.map(({ name }) => name)).toEqual(["n1"]);
  for (const what of ["lists", "addresses", "matrix", "ends?q=n", "explain?from=node/n1&to=192.0.2.1:80"])
    expect((await ask(what)).status, what).toBe(200);
  expect(controller.log()).not.toContain(token);

  controller.child.kill("SIGTERM");
  expect(await controller.ended).toBe(0);
  compareRights(audited(bed), "trunkline-controller", controllerPageRules);
}, 120_000);
