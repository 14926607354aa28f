// AddressLists in a running lab: a host's firewall admits whom the list has, pods are admitted from their first connection on,
// and what is listed is what the far side sees, whatever is made of pods' addresses.
import { readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AddressList } from "../../../src/api/kinds/address-list.ts";
import { Commands } from "../trunkline.ts";

const held = "192.168.18.250";
const lab = `
name: lists
addressCooldown: 1s
networks:
  - {name: nodes, cidr: 192.168.18.0/24}
  - {name: back, cidr: 192.168.200.0/24}
routers:
  - {name: gateway, addresses: [192.168.18.1, 192.168.200.1]}
nodes:
  - {name: node1, address: 192.168.18.11, labels: {egress: "yes"}}
  - {name: node2, address: 192.168.18.12}
hosts:
  - {name: db, address: 192.168.200.10, ports: [5432]}
`;
const deployment = (name: string, replicas: number) => `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}
`;
const pool = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 172.16.0.0/16, natOutgoing: false}
${deployment("web", 2)}${deployment("other", 2)}`;
const nat = (action: string) => `
apiVersion: trunkline.dev/v1alpha1
kind: SourceNAT
metadata: {name: nat}
spec:
  rules: [{podSelector: {matchLabels: {app: web}}, destinations: [192.168.200.0/24], action: ${action}}]
`;

describe("an AddressList in a lab", () => {
  const trunkline = new Commands();
  const { file, folder } = trunkline;
  const list = (more: string) => `
apiVersion: trunkline.dev/v1alpha1
kind: AddressList
metadata: {name: db}
spec:
  for: [{workload: deployment/web, namespaces: [default]}]
  to: host/db:5432
  rest: 1s
  ${more}
  sinks:
  - {name: file, file: {path: ${folder}/db.json, form: json}}
  - {name: firewall, host: db, nft: {family: inet, table: guard, ipv4Set: clients}}
`;
  beforeAll(async () => {
    await trunkline.up(file("lab.yaml", lab));
    const guard =
      "add table inet guard; add set inet guard clients { type ipv4_addr; flags interval; }; add chain inet guard in { type filter hook input priority 0; }; add rule inet guard in tcp dport 5432 ip saddr != @clients reject with tcp reset";
    await trunkline.ask("lab", "exec", "host/db", "--", "nft", guard);
    await trunkline.ask("apply", "-f", file("pool.yaml", pool));
    await trunkline.ask("apply", "-f", file("list.yaml", list("")));
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
  });
  afterAll(() => trunkline.end());

  const status = async () => (await trunkline.json<AddressList>("get", "addresslist", "db")).status;
  const ready = async () => (await status())?.conditions?.find(({ type }) => type === "Ready")?.reason;
  const current = async () => {
    const { revision, sinks = [] } = (await status()) ?? {};
    return sinks.length === 2 && sinks.every((sink) => sink.revision === revision);
  };
  interface Cell {
    readonly from: string;
    readonly reachable: boolean;
    readonly sourceSeen: string | null;
  }
  /** What every pod finds at the host, and how it is seen there. */
  const probes = async (): Promise<readonly Cell[]> => {
    const { stdout } = await trunkline.say(
      "probe",
      "--all",
      "-n",
      "default",
      "--port",
      "5432/tcp",
      "-o",
      "json",
      "--lab",
      trunkline.lab,
    );
    return (JSON.parse(stdout) as { cells: (Cell & { to: string })[] }).cells.filter(
      ({ from, to }) => to === "host/db" && from.startsWith("pod/"),
    );
  };
  /** Only listed pods get through, all of them, and the list is exactly what is seen of them. */
  async function holds(): Promise<readonly string[]> {
    await expect.poll(current, { timeout: 20_000 }).toBe(true);
    const cells = await probes();
    expect(cells.length).toBeGreaterThan(3);
    for (const { from, reachable } of cells)
      expect({ from, reachable }).toEqual({ from, reachable: from.includes("/web-") });
    const seen = cells.flatMap(({ sourceSeen, reachable }) =>
      reachable && sourceSeen !== null ? `${sourceSeen}/32` : [],
    );
    const used = (await status())?.entries
      ?.filter(({ unusedSince }) => unusedSince === undefined)
      .map(({ range }) => range);
    expect(used?.toSorted()).toEqual([...new Set(seen)].toSorted());
    return used ?? [];
  }

  it("admits exactly the workload's pods, by the addresses that the host sees", async () => {
    const own = await holds();
    expect(own).toHaveLength(2);
    expect(JSON.parse(readFileSync(`${folder}/db.json`, "utf8"))).toMatchObject({
      list: "db",
      ranges: (await status())?.ranges,
    });
    await trunkline.ask("scale", "deployment/web", "--replicas", "9");
    await trunkline.ask("wait", "--for", "ready", "deployment/web", "--timeout", "60s");
    expect(await holds()).toHaveLength(9);
    await trunkline.ask("scale", "deployment/web", "--replicas", "2");
    await expect.poll(async () => (await status())?.entries?.length, { timeout: 20_000 }).toBe(2);
    await holds();
    // Nodes' and egress addresses come with the rule, and go with it.
    await trunkline.ask("apply", "-f", file("nat.yaml", nat("{type: Masquerade}")));
    await expect
      .poll(
        async () =>
          (await status())?.entries?.some(({ range, pods }) => range.startsWith("192.168.18.1") && pods > 0),
        { timeout: 20_000 },
      )
      .toBe(true);
    expect((await holds()).every((range) => /^192\.168\.18\.1[12]\/32$/.test(range))).toBe(true);
    const egress = `{type: Address, addresses: [${held}], egressNodes: {matchLabels: {egress: "yes"}}}`;
    await trunkline.ask("apply", "-f", file("nat.yaml", nat(egress)));
    await expect
      .poll(async () => (await status())?.entries?.map(({ range }) => range), { timeout: 20_000 })
      .toEqual([`${held}/32`]);
    await trunkline.ask("delete", "sourcenat", "nat");
    await expect.poll(async () => (await status())?.entries?.length, { timeout: 20_000 }).toBe(2);
    await holds();
  });

  it("starts pods all the same when a sink does not take their addresses for longer than they wait", async () => {
    await trunkline.ask("apply", "-f", file("list.yaml", list("wait: 2s")));
    await expect.poll(current, { timeout: 20_000 }).toBe(true);
    await trunkline.ask(
      "lab",
      "exec",
      "host/db",
      "--",
      "nft",
      "flush chain inet guard in; delete set inet guard clients",
    );
    await trunkline.ask("scale", "deployment/web", "--replicas", "3");
    await trunkline.ask("wait", "--for", "ready", "deployment/web", "--timeout", "60s");
    await expect.poll(ready, { timeout: 20_000 }).toBe("SinkFails");
    const events = await trunkline.json<{ items: { reason: string; message: string }[] }>("get", "events");
    const told = events.items
      .filter(({ reason }) => reason.startsWith("AddressList"))
      .map(({ reason }) => reason);
    expect(new Set(told)).toEqual(new Set(["AddressListWaits", "AddressListNotReady"]));
    const said = events.items.find(({ reason }) => reason === "AddressListNotReady")?.message;
    expect(said).toMatch(
      /^it starts without 172\.16\.\S+ in AddressList db: .*firewall \(host\/db: there is no set.* 2 s at most$/,
    );
    // The other sink has it.
    expect(JSON.parse(readFileSync(`${folder}/db.json`, "utf8"))).toMatchObject({
      ranges: (await status())?.ranges,
    });
    // It catches up.
    const again =
      "add set inet guard clients { type ipv4_addr; flags interval; }; add rule inet guard in tcp dport 5432 ip saddr != @clients reject with tcp reset";
    await trunkline.ask("lab", "exec", "host/db", "--", "nft", again);
    await expect.poll(ready, { timeout: 20_000 }).toBe("Current");
    await trunkline.ask("scale", "deployment/web", "--replicas", "2");
    await expect.poll(async () => (await status())?.entries?.length, { timeout: 20_000 }).toBe(2);
    rmSync(`${folder}/list.yaml`);
    await holds();
  });
});
