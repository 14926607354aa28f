// What an API server takes of the kinds that Trunkline brings along is what validation here takes: of each kind a list of good
// and of bad objects, and of every text that has a grammar many that are nearly right. And what was stored before the server
// was told: it may be written where that is left as it is.
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:https";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crdOf } from "../../src/api/crd/crd.ts";
import { customKinds, kindNamed } from "../../src/api/kinds/index.ts";
import { parseManifests } from "../../src/api/manifest/parse.ts";
import type { Kind } from "../../src/api/object.ts";
import { validate } from "../../src/api/validation/validate.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { type ApiServer, adminToken, apiServerBinary, kubeFolder, startApiServer } from "./api-server.ts";
import { cases, grammars, toldHereOnly } from "./definitions/cases.ts";
import { earlier } from "./definitions/earlier.ts";

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer(apiServerBinary());
  await define(earlier(customKinds.map(crdOf)));
  await storeOld();
  await define(customKinds.map(crdOf));
}, 180_000);
afterAll(() => server?.close(), 60_000);

async function define(definitions: readonly object[]): Promise<void> {
  const kubectl = (words: readonly string[], input = "") =>
    run(path.join(kubeFolder(), "kubectl"), ["--kubeconfig", server.kubeconfig, ...words], {
      input,
      timeoutMs: 60_000,
    });
  const list = { apiVersion: "v1", kind: "List", items: definitions };
  await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(list));
  await kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
  // Served anew a moment after it was taken.
  await new Promise((resolve) => setTimeout(resolve, 3000));
}

interface Answer {
  readonly status: number;
  readonly body: { readonly message?: string; readonly [key: string]: unknown };
}

function ask(method: string, where: string, object?: object): Promise<Answer> {
  const text = object === undefined ? "" : JSON.stringify(object);
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${adminToken}`,
      "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
      "content-length": Buffer.byteLength(text),
    };
    const url = new URL(server.access.server + where);
    const { ca } = server.access;
    request(
      url,
      { method, headers, ca: "text" in ca! ? ca.text : undefined, checkServerIdentity: () => undefined },
      (response) => {
        let answer = "";
        response.setEncoding("utf8").on("data", (part: string) => (answer += part));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(answer) as Answer["body"] }),
        );
      },
    )
      .on("error", reject)
      .end(text);
  });
}

function placeOf({ apiVersion, plural, namespaced }: Kind): string {
  return `/apis/${apiVersion}/${namespaced ? "namespaces/default/" : ""}${plural}`;
}

function objectOf(kind: Kind, spec: object, name = "default") {
  const namespace = kind.namespaced ? { namespace: "default" } : {};
  return { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name, ...namespace }, spec };
}

/** What the server says of an object, without keeping it; undefined: it takes it. */
async function refusal(kind: Kind, object: object): Promise<string | undefined> {
  const { status, body } = await ask("POST", `${placeOf(kind)}?dryRun=All`, object);
  if (status === 201) return undefined;
  expect(status, body.message).toBe(422);
  return body.message ?? "";
}

const isTakenHere = (kind: Kind, object: object) => validate(kind, object).errors.length === 0;
const kindOf = (name: string) => kindNamed(name.toLowerCase())!;
/** Agents' own notes: they have no specification. */
const withSpec = customKinds.filter(({ kind }) => kind !== "NodeConfig");

describe("an API server", () => {
  it.each(withSpec.map((kind) => [kind.kind, kind] as const))(
    "takes a %s that validation takes, and no other",
    async (name, kind) => {
      const { good, bad } = cases[name]!;
      for (const spec of good) {
        const object = objectOf(kind, spec);
        expect([spec, isTakenHere(kind, object), await refusal(kind, object)]).toEqual([
          spec,
          true,
          undefined,
        ]);
      }
      for (const spec of bad) {
        const object = objectOf(kind, spec);
        expect([spec, isTakenHere(kind, object)]).toEqual([spec, false]);
        expect(await refusal(kind, object), JSON.stringify(spec)).toBeDefined();
      }
    },
  );

  it.each(grammars.map((one) => [`${one.kind} ${JSON.stringify(one.spec)}`, one] as const))(
    "reads a text as validation does: %s",
    async (_, { kind: name, spec, words }) => {
      const kind = kindOf(name);
      const differing: unknown[] = [];
      const taken = { here: 0, there: 0 };
      for (const word of words) {
        const object = objectOf(
          kind,
          JSON.parse(JSON.stringify(spec).replace('"WORD"', JSON.stringify(word))) as object,
        );
        const [here, there] = [isTakenHere(kind, object), await refusal(kind, object)];
        if (here) taken.here++;
        if (there === undefined) taken.there++;
        if (here !== (there === undefined)) differing.push([word, here, there]);
        // An expression that ends in an error says nothing to its reader.
        if (there?.includes("rule evaluation error") || there?.includes("cost"))
          differing.push([word, there]);
      }
      expect(differing).toEqual([]);
      expect(Math.min(taken.here, taken.there)).toBeGreaterThan(0);
    },
  );

  it.each(withSpec.map((kind) => [kind.kind, kind] as const))(
    "agrees about every field of a %s, whatever stands there",
    { timeout: 120_000 },
    async (name, kind) => {
      const differing: unknown[] = [];
      for (const spec of cases[name]!.good)
        for (const at of placesIn(spec))
          for (const value of [undefined, "", -1, 1.5, true, [], {}, ["x"]]) {
            // Of another type of action `addresses` is no field; servers type it all the same.
            if (at.includes("addresses") && JSON.stringify(spec).includes('"Masquerade"')) continue;
            const object = objectOf(kind, withValue(spec, at, value) as object);
            const [here, there] = [isTakenHere(kind, object), await refusal(kind, object)];
            if (here !== (there === undefined)) differing.push([spec, at.join("."), value, here, there]);
          }
      expect(differing).toEqual([]);
    },
  );

  it("takes what only the reader of a text can tell, which counts as absent there", async () => {
    for (const [name, spec] of toldHereOnly) {
      const object = objectOf(kindOf(name), spec);
      expect([spec, isTakenHere(kindOf(name), object), await refusal(kindOf(name), object)]).toEqual([
        spec,
        false,
        undefined,
      ]);
    }
  });

  it("has the time to look at objects as large as they may be", async () => {
    const many = <T>(count: number, make: (at: number) => T) =>
      Array.from({ length: count }, (_, at) => make(at));
    const range = (at: number) => `10.${(at >> 8) & 255}.${at & 255}.0/24`;
    const rules = many(40, () => ({ destinations: many(2048, range), action: { type: "None" } }));
    const filter = many(256, (at) => ({
      action: "Accept",
      cidr: range(at),
      matchOperator: "In",
      communities: { values: many(32, (value) => `65000:${value}`) },
      asPathPrefix: many(64, (one) => 64_512 + one),
    }));
    const block = { cidr: "10.0.0.0/20", pool: "p", node: "n", state: "confirmed" };
    const loans = many(4096, (at) => ({ address: `10.0.${at >> 8}.${at & 255}`, node: "m", seq: at }));
    for (const [name, spec] of [
      ["SourceNAT", { rules }],
      ["BGPFilter", { importV4: filter, exportV4: filter }],
      ["AddressBlock", { ...block, loans }],
      ["Host", { addresses: [], admit: many(16_384, range) }],
    ] as const)
      expect([name, await refusal(kindOf(name), objectOf(kindOf(name), spec))]).toEqual([name, undefined]);
  });

  it("takes every object of the examples", async () => {
    const folder = path.resolve(import.meta.dirname, "../../examples");
    const more = process.env["TRUNKLINE_MANIFESTS"];
    const files = [folder, ...(more === undefined ? [] : [more])].flatMap((one) =>
      readdirSync(one, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".yaml"))
        .map((name) => path.join(one, name)),
    );
    let count = 0;
    for (const file of files)
      for (const { draft } of parseManifests(readFileSync(file, "utf8"), file).objects) {
        const kind = customKinds.find((one) => one.kind === draft.kind);
        if (!kind) continue;
        count++;
        expect([file, await refusal(kind, draft)]).toEqual([file, undefined]);
      }
    expect(count).toBeGreaterThan(9);
  });

  it("has names for settings that there is one of", async () => {
    for (const [name, object] of [
      ["BGPConfiguration", "node.n1"],
      ["BGPConfiguration", "default"],
      ["RoutingConfiguration", "default"],
    ] as const)
      expect(await refusal(kindOf(name), objectOf(kindOf(name), {}, object))).toBeUndefined();
    expect(
      await refusal(kindOf("BGPConfiguration"), objectOf(kindOf("BGPConfiguration"), {}, "other")),
    ).toMatch(/must be 'default', or 'node\.' and a node's name/);
    expect(
      await refusal(kindOf("RoutingConfiguration"), objectOf(kindOf("RoutingConfiguration"), {}, "other")),
    ).toMatch(/must be 'default'/);
  });

  it.each([
    [
      "IPPool",
      { cidr: "10.1.0.1/16" },
      /spec\.cidr: .*is not a range such as 10\.1\.0\.0\/16: the bits behind the prefix must be 0/,
    ],
    [
      "IPPool",
      { cidr: "10.1.0.0/16", blockSize: 120 },
      /spec\.blockSize: .*must be a prefix length from 20 to 32 for an IPv4 pool/,
    ],
    ["BGPPeer", { peerIP: "10.0.0.1" }, /spec\.asNumber: .*is missing: a peer by its address needs it/],
    ["BGPFilter", filterOf('eth0"'), /importV4\[0\]\.interface: .*is not the name of an interface/],
    [
      "SourceNAT",
      { rules: [{ action: { type: "Address" } }] },
      /action\.addresses: .*must have at least one address/,
    ],
    [
      "AddressList",
      { for: [{}], to: "db" },
      /spec\.to: .*is not host\/NAME, KIND\/NAME, an address or a range/,
    ],
    [
      "Subnet",
      { zone: "a", cidr: "10.2.1.0/24", gateway: "10.9.0.1" },
      /spec\.gateway: .*must lie inside cidr/,
    ],
    [
      "PodNetworking",
      { allocationType: { releaseAfter: "soon" } },
      /releaseAfter: .*must be a duration from 0 on/,
    ],
    ["RoutingConfiguration", { mtu: { pod: 5 } }, /spec\.mtu\.pod: .*must be 0, or a whole number from 576/],
  ])("says of a %s what is wrong and what to do: %j", async (name, spec, words) => {
    expect(await refusal(kindOf(name), objectOf(kindOf(name), spec))).toMatch(words);
  });
});

/** Paths of all fields and items. */
function placesIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return path.length > 0 ? [path] : [];
  const inner = Object.entries(value).flatMap(([key, item]) => placesIn(item, [...path, key]));
  return path.length > 0 ? [path, ...inner] : inner;
}

function withValue(value: unknown, [key = "", ...rest]: readonly string[], leaf: unknown): unknown {
  const copy: unknown = structuredClone(value);
  const target = copy as Record<string, unknown>;
  if (rest.length > 0) target[key] = withValue(target[key], rest, leaf);
  else if (leaf !== undefined) target[key] = leaf;
  else if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else delete target[key];
  return copy;
}

function filterOf(name: string): object {
  return { importV4: [{ action: "Accept", interface: name }] };
}

/** Objects of which each was taken by an earlier release's definition and is refused by this one's. */
const old: readonly (readonly [kind: string, spec: object, change: object])[] = [
  ["IPPool", { cidr: "10.1.0.1/16", blockSize: 8 }, { disabled: true }],
  [
    "AddressBlock",
    { cidr: "nonsense", pool: "", node: "", state: "confirmed", loans: [{ address: "x", node: "m" }] },
    { requests: [{ node: "b", count: 1, at: "2026-01-31T12:00:00Z" }] },
  ],
  ["SourceNAT", { rules: [{ action: { type: "Address" }, destinations: ["x"] }] }, { priority: 7 }],
  ["AddressList", { for: [], to: "x", sinks: [{ name: "a b" }, { name: "a b" }] }, { maxEntries: 9 }],
  ["Subnet", { zone: "", cidr: "x", vlan: 9000 }, {}],
  [
    "SubnetLedger",
    {
      interfaces: [
        {
          id: "",
          token: "",
          status: "InUse",
          mac: "",
          securityGroupIDs: [],
          addresses: ["x"],
          tags: {},
          createdAt: "x",
        },
      ],
    },
    {},
  ],
  [
    "PodNetworking",
    { allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "x" } },
    { vSwitchOptions: ["vsw-1"] },
  ],
  ["BGPPeer", { peerIP: "x", asNumber: 0, ttlSecurity: 999 }, { filters: ["f"] }],
  ["BGPConfiguration", { listenPort: 0, ignoredInterfaces: ['"'] }, { nodeToNodeMeshEnabled: false }],
  ["BGPFilter", { importV4: [{ action: "Accept", interface: '"' }] }, { exportV4: [{ action: "Reject" }] }],
];
const OLD = "old";

async function storeOld(): Promise<void> {
  for (const [name, spec] of old) {
    const { status, body } = await ask("POST", placeOf(kindOf(name)), objectOf(kindOf(name), spec, OLD));
    expect(status, body.message).toBe(201);
  }
}

const statuses: Readonly<Record<string, object>> = {
  AddressBlock: { used: 1 },
  SourceNAT: { holders: [{ address: "x", node: "n" }] },
  AddressList: { revision: 1, ranges: ["10.0.0.1/32"] },
  Subnet: { totalAddresses: 1 },
  PodNetworking: { status: "Fail" },
};
const ready = {
  type: "Ready",
  status: "False",
  reason: "Bad",
  message: "m",
  lastTransitionTime: "2026-01-31T12:00:00Z",
};

describe("what was stored before the server was told", () => {
  it.each(old)("of %s is still refused when it is made anew", async (name, spec) => {
    expect(await refusal(kindOf(name), objectOf(kindOf(name), spec, "default"))).toBeDefined();
  });

  it.each(old)("of %s gets its status, labels and finalizers written", async (name) => {
    const kind = kindOf(name);
    const place = `${placeOf(kind)}/${OLD}`;
    const { body } = await ask("GET", place);
    const definition = crdOf(kind) as { spec: { versions: readonly [{ subresources?: object }] } };
    if (definition.spec.versions[0].subresources) {
      const conditions = name === "AddressBlock" ? {} : { conditions: [ready] };
      const status = { ...statuses[name], ...conditions };
      // As agents do: the whole object.
      const written = await ask("PUT", `${place}/status`, { ...body, status });
      expect([written.status, written.body.message]).toEqual([200, undefined]);
      expect(written.body["status"]).toMatchObject(status);
    }
    const metadata = { labels: { a: "b" }, finalizers: ["trunkline.dev/test"] };
    const marked = await ask("PATCH", place, { metadata });
    expect([marked.status, marked.body.message]).toEqual([200, undefined]);
    expect((await ask("PATCH", place, { metadata: { finalizers: null } })).status).toBe(200);
  });

  it.each(
    old.filter(([name]) =>
      ["AddressBlock", "BGPConfiguration", "BGPFilter", "AddressList", "SourceNAT"].includes(name),
    ),
  )("of %s lets other fields be written", async (name, _, change) => {
    const place = `${placeOf(kindOf(name))}/${OLD}?dryRun=All`;
    const { status, body } = await ask("PATCH", place, { spec: change });
    expect([status, body.message]).toEqual([200, undefined]);
  });

  it("lets a loan be given back beside one that is none, and an interface be written beside another", async () => {
    const blocks = `${placeOf(kindOf("AddressBlock"))}/${OLD}?dryRun=All`;
    const loans = [
      { address: "x", node: "m" },
      { address: "10.1.0.2", node: "m", returned: true },
    ];
    expect((await ask("PATCH", blocks, { spec: { loans } })).body.message).toBeUndefined();
    const ledgers = `${placeOf(kindOf("SubnetLedger"))}/${OLD}`;
    const { body } = await ask("GET", ledgers);
    const { interfaces } = body["spec"] as { interfaces: object[] };
    const more = [
      ...interfaces,
      { ...interfaces[0], id: "eni-2", addresses: ["10.2.1.1"], createdAt: "2026-01-31T12:00:00Z" },
    ];
    expect(
      (await ask("PATCH", `${ledgers}?dryRun=All`, { spec: { interfaces: more } })).body.message,
    ).toBeUndefined();
  });

  it("can be put right, and a pool's range can be changed once it is one no more", async () => {
    const place = `${placeOf(kindOf("IPPool"))}/${OLD}`;
    const right = await ask("PATCH", place, { spec: { cidr: "10.1.0.0/16", blockSize: 26 } });
    expect([right.status, right.body.message]).toEqual([200, undefined]);
    const moved = await ask("PATCH", `${place}?dryRun=All`, { spec: { cidr: "10.2.0.0/16" } });
    expect(moved.body.message).toMatch(/spec\.cidr: .*cannot be changed: make a second pool/);
    const cut = await ask("PATCH", `${place}?dryRun=All`, { spec: { blockSize: 27 } });
    expect(cut.body.message).toMatch(/spec\.blockSize: .*cannot be changed/);
    expect(
      (await ask("PATCH", `${place}?dryRun=All`, { spec: { blockSize: null } })).body.message,
    ).toBeUndefined();
  });

  it("a PodNetworking's lists cannot be emptied", async () => {
    const kind = kindOf("PodNetworking");
    await ask(
      "POST",
      placeOf(kind),
      objectOf(kind, { vSwitchOptions: ["vsw-1"], securityGroupIDs: ["sg-1"] }, "full"),
    );
    const emptied = await ask("PATCH", `${placeOf(kind)}/full`, {
      spec: { vSwitchOptions: [], securityGroupIDs: null },
    });
    expect(emptied.body.message).toMatch(/spec\.vSwitchOptions: .*cannot be emptied/);
    expect(emptied.body.message).toMatch(/spec\.securityGroupIDs: .*cannot be emptied/);
  });
});
