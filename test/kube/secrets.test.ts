// Tokens, keys and passwords are where they are needed and nowhere else: not in logs, events, objects' status, metrics or
// arguments of processes; and what holds them on a node is closed to others.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addressListKind } from "../../src/api/kinds/address-list.ts";
import { askAgent } from "../../src/cli/facts/ask-agent.ts";
import { manifestsOf } from "./audit.ts";
import { eventually, KubeBed, type Started } from "./bed.ts";

const secrets = {
  bgp: "bgp-pass-7Hq2vW9x",
  sink: "sink-token-4Zt8mK1c",
  page: "page-token-of-more-than-32-letters-Rb5nD3",
};

let bed: KubeBed;
let agent: Started;
let controller: Started;
/** What the sink's server was told. */
const heard: string[] = [];
/** It tells everybody what it has heard. */
const server = createServer((asked, answer) => {
  heard.push(asked.headers.authorization ?? "");
  answer.writeHead(500, { "content-type": "text/plain" }).end(`no: ${asked.headers.authorization}`);
});
const inState = (...names: string[]) => path.join(bed.folder, "n1", ...names);
const kubectl = async (...words: string[]) => {
  const { code, stdout, stderr } = await bed.kubectl(words);
  if (code !== 0) throw new Error(stderr);
  return stdout;
};

beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  bed = await KubeBed.start();
  const settings = ["bgp.passwords=true", "ui.listen=127.0.0.1:7080", "pool.ipv4=10.1.0.0/16"];
  const manifests = await manifestsOf(bed, ...settings);
  await bed.install(manifests);
  await bed.nodes(["n1", "n2"]);
  const secret = (name: string, space: string, value: string) =>
    kubectl("create", "secret", "generic", name, "-n", space, `--from-literal=key=${value}`);
  await secret("bgp", "kube-system", secrets.bgp);
  await secret("sink", "default", secrets.sink);
  await kubectl("create", "role", "sink", "-n", "default", "--verb=get", "--resource=secrets");
  const account = "--serviceaccount=kube-system:trunkline-controller";
  await kubectl("create", "rolebinding", "sink", "-n", "default", "--role=sink", account);
  const password = { secretKeyRef: { name: "bgp", key: "key" } };
  const { port } = server.address() as AddressInfo;
  await bed.apply(
    {
      apiVersion: "crd.projectcalico.org/v1",
      kind: "BGPConfiguration",
      metadata: { name: "default" },
      spec: { asNumber: 64512, nodeMeshPassword: password },
    },
    {
      apiVersion: "crd.projectcalico.org/v1",
      kind: "BGPPeer",
      metadata: { name: "peer" },
      spec: { peerIP: "192.168.77.2", asNumber: 64999, password },
    },
    {
      apiVersion: addressListKind.apiVersion,
      kind: "AddressList",
      metadata: { name: "list" },
      spec: {
        for: [{}],
        to: "172.31.0.1",
        wait: "1s",
        sinks: [
          {
            name: "http",
            http: {
              url: `http://127.0.0.1:${port}/`,
              tokenSecret: { namespace: "default", name: "sink", key: "key" },
            },
          },
        ],
      },
    },
  );
  const pageToken = path.join(bed.folder, "page-token");
  writeFileSync(pageToken, secrets.page, { mode: 0o600 });
  const words = ["controller", "--identity", "c", "--log-level", "trace", "--health-port", "0"];
  controller = bed.start(
    [...words, "--ui-listen", "127.0.0.1:0", "--ui-token-file", pageToken],
    { CALICO_IPV4POOL_CIDR: "10.1.0.0/16" },
    await bed.tokenOf("trunkline-controller"),
  );
  const runtime = ["--cni-conf-dir", inState("net.d"), "--cni-bin-dir", inState("bin")];
  agent = bed.agent("n1", await bed.tokenOf("trunkline-agent", "n1"), "--log-level", "trace", ...runtime);
}, 180_000);
afterAll(async () => {
  await bed?.end();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
}, 60_000);

const fileText = (file: string) => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};

/** Tokens of the service accounts, by which the two ask the API server. */
function tokens(): string[] {
  return readdirSync(bed.folder)
    .filter((name) => name.endsWith(".kubeconfig"))
    .map((name) => /"token":"([^"]+)"/.exec(readFileSync(path.join(bed.folder, name), "utf8"))?.[1] ?? "");
}

async function metrics(): Promise<string> {
  const port = /"port":(\d+)/.exec(controller.log())?.[1];
  const ofController = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return ofController + (await askAgent(inState("health.sock"), "/metrics"));
}

/** Arguments of every process that is of this test. */
function argumentsOfAll(): string {
  const all = readdirSync("/proc").flatMap((name) =>
    /^\d+$/.test(name) ? [fileText(`/proc/${name}/cmdline`).replaceAll("\0", " ")] : [],
  );
  return all.filter((line) => line.includes(bed.folder)).join("\n");
}

it("secrets are told to nobody, and what holds them is closed", { timeout: 120_000 }, async () => {
  // All of them are in use.
  await eventually(() => (fileText(inState("bird/bird.conf")).includes(secrets.bgp) ? true : undefined));
  await bed.plug("n1", "pod");
  await eventually(() => (heard.includes(`Bearer ${secrets.sink}`) ? true : undefined));
  await eventually(async () =>
    (await bed.store.get(addressListKind, "list"))?.status?.sinks?.[0]?.error ? true : undefined,
  );
  await eventually(() => (controller.log().includes("the page is served") ? true : undefined));
  await eventually(() => (readdirSync(inState("net.d")).length > 0 ? true : undefined));
  const [copy, events, objects] = [
    inState("cluster.copy"),
    await kubectl("get", "events", "-A", "-o", "json"),
    await kubectl("get", "nodes,pods,bgppeers,addresslists,ippools,addressblocks", "-A", "-o", "json"),
  ];
  await eventually(() => (fileText(copy).includes("bgppeers") ? true : undefined));

  const told = {
    "the agent's log": agent.log(),
    "the controller's log": controller.log(),
    events,
    objects,
    metrics: await metrics(),
    arguments: argumentsOfAll(),
  };
  for (const [where, what] of Object.entries(told)) {
    expect(what.length, where).toBeGreaterThan(100);
    for (const secret of [...Object.values(secrets), ...tokens()]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(what.includes(secret), `${secret.slice(0, 8)}… in ${where}`).toBe(false);
      const coded = Buffer.from(secret).toString("base64");
      expect(what.includes(coded), `${secret.slice(0, 8)}… in base64 in ${where}`).toBe(false);
    }
  }

  const closed = readdirSync(inState(), { recursive: true, withFileTypes: true }).filter(
    (entry) => (entry.isFile() || entry.isSocket()) && !entry.parentPath.startsWith(inState("bin")),
  );
  const names = closed.map(({ parentPath, name }) => path.relative(inState(), path.join(parentPath, name)));
  expect(names).toEqual(
    expect.arrayContaining(["cluster.copy", "endpoints.journal", "bird/bird.conf", "health.sock"]),
  );
  for (const file of [...names.map((name) => inState(name)), bed.socketOf("n1")]) {
    // BIRD gives its own socket to its group, which is root's.
    const others = file.endsWith("bird.ctl") ? 0o007 : 0o077;
    expect((statSync(file).mode & others).toString(8), file).toBe("0");
  }
});
