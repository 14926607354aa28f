// Pods that a real API server sends in Protocol Buffers are, field for field, those that it sends as JSON.
import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Pod, podKind } from "../../src/api/kinds/core.ts";
import type { KubeObject } from "../../src/api/object.ts";
import { acceptable, eventsOf, listPage } from "../../src/store/kubernetes/answers.ts";
import { ApiClient, ApiRefusal } from "../../src/store/kubernetes/client.ts";
import type { Keep } from "../../src/store/kubernetes/kept.ts";
import { pathOf } from "../../src/store/kubernetes/resources.ts";
import { kubernetesStore } from "../../src/store/kubernetes/store.ts";
import { type ApiServer, apiServerBinary, startApiServer } from "./api-server.ts";

const PODS = 60;
const keeps: readonly Exclude<Keep, "all">[] = ["network", { node: "n1" }];

let server: ApiServer;
let client: ApiClient;
beforeAll(async () => {
  server = await startApiServer(apiServerBinary());
  client = new ApiClient(server.access);
}, 60_000);
afterAll(async () => {
  client?.close();
  await server?.close();
});

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/);
const value = fc.oneof(word, fc.constant(""), fc.constant("Zürich ☃"));
const labels = fc.dictionary(word, fc.oneof(word, fc.constant("")), { maxKeys: 4 });
const port = fc.record(
  {
    containerPort: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom("TCP", "UDP", "SCTP"),
    hostPort: fc.integer({ min: 1, max: 65_535 }),
    hostIP: fc.constantFrom("127.0.0.1", "192.0.2.1"),
  },
  { requiredKeys: ["containerPort"] },
);
const container = (name: fc.Arbitrary<string>) =>
  fc.record(
    {
      name,
      image: fc.constantFrom("web:1", "registry.example/db@sha256:0"),
      env: fc.array(fc.record({ name: word, value }), { maxLength: 3 }),
      command: fc.array(value, { maxLength: 2 }),
      ports: fc.uniqueArray(port, { selector: (one) => one.hostPort ?? one.containerPort, maxLength: 2 }),
      readinessProbe: fc.constant({ tcpSocket: { port: 80 }, periodSeconds: 7 }),
      resources: fc.constant({ requests: { cpu: "100m", memory: "128Mi" } }),
    },
    { requiredKeys: ["name", "image"] },
  );
const address = fc.constantFrom("10.0.0.7", "fd00::7");
const condition = fc.record(
  {
    type: fc.constantFrom("Ready", "PodScheduled", "trunkline.dev/NetworkReady", "example.com/Gate"),
    status: fc.constantFrom("True", "False", "Unknown"),
    reason: value,
    message: value,
    lastTransitionTime: fc.constantFrom(
      "2026-11-29T23:59:59Z",
      "1969-12-31T23:59:59Z",
      "2038-01-19T03:14:08Z",
    ),
    observedGeneration: fc.constantFrom(0, 1, 2 ** 40),
  },
  { requiredKeys: ["type", "status"] },
);
const podArbitrary = fc.record({
  metadata: fc.record(
    {
      labels,
      annotations: fc.dictionary(
        fc.oneof(word, fc.constant("kubectl.kubernetes.io/last-applied-configuration")),
        value,
      ),
      finalizers: fc.constantFrom(["example.com/held"], ["example.com/a", "example.com/b"]),
      ownerReferences: fc.constantFrom(
        [
          {
            apiVersion: "apps/v1",
            kind: "ReplicaSet",
            name: "web",
            uid: "u1",
            controller: true,
            blockOwnerDeletion: false,
          },
        ],
        [{ apiVersion: "batch/v1", kind: "Job", name: "once", uid: "u2" }],
      ),
    },
    { requiredKeys: [] },
  ),
  spec: fc.record(
    {
      containers: fc
        .tuple(container(fc.constant("main")), container(fc.constant("side")))
        .map((all) => [...all]),
      initContainers: container(fc.constant("first")).map((one) => [{ ...one, restartPolicy: "Always" }]),
      nodeName: fc.constantFrom("n1", "n2"),
      nodeSelector: labels,
      restartPolicy: fc.constantFrom("Never", "OnFailure"),
      schedulerName: fc.constantFrom("own"),
      tolerations: fc.constant([{ operator: "Exists" }]),
      volumes: fc.constant([{ name: "v", emptyDir: {} }]),
      terminationGracePeriodSeconds: fc.constantFrom(0, 600),
    },
    { requiredKeys: ["containers"] },
  ),
  status: fc.record(
    {
      phase: fc.constantFrom("Pending", "Running", "Succeeded", "Failed"),
      reason: fc.constantFrom("Evicted"),
      hostIP: fc.constant("192.0.2.1"),
      podIPs: fc.uniqueArray(address, { minLength: 1, maxLength: 2 }).map((ips) => ips.map((ip) => ({ ip }))),
      conditions: fc.uniqueArray(condition, { selector: (one) => one.type, maxLength: 4 }),
      startTime: fc.constant("2026-11-29T23:59:59Z"),
      containerStatuses: fc.constant([
        { name: "main", ready: true, restartCount: 3, image: "web:1", imageID: "x", state: { running: {} } },
      ]),
    },
    { requiredKeys: [] },
  ),
});

/** Returns how many of those that it made are gone again: without a node and a finalizer a pod ends at once. */
async function fill(seed: number): Promise<number> {
  const store = kubernetesStore(server.access);
  let gone = 0;
  try {
    const drafts = fc.sample(podArbitrary, { numRuns: PODS, seed });
    for (const [n, { metadata, spec, status }] of drafts.entries()) {
      const { podIPs, ...rest } = status;
      const addressed = podIPs === undefined ? rest : { ...rest, podIPs, podIP: podIPs[0]!.ip };
      const name = n % 7 === 0 ? { name: "", generateName: `p${n}-` } : { name: `p${n}` };
      const draft = {
        apiVersion: "v1",
        kind: "Pod",
        spec,
        status: addressed,
        metadata: { ...metadata, ...name, namespace: "default" },
      };
      const made = await store.create(podKind, draft as unknown as Pod);
      // With a finalizer it stays, and says when it is to go.
      if (n % 5 !== 0) continue;
      await store.delete(podKind, made.metadata.name, "default");
      if (!(await store.get(podKind, made.metadata.name, "default"))) gone++;
    }
    return gone;
  } finally {
    await store.close();
  }
}

interface Seen {
  readonly type: string;
  readonly object: KubeObject;
}

/** Returns what a watch from its beginning says until the list is over, or from then on until `enough`. */
async function seen(
  accept: string,
  keep: Keep,
  query: Record<string, string>,
  enough: number,
): Promise<readonly Seen[]> {
  const life = new AbortController();
  const all: Seen[] = [];
  try {
    const request = { method: "GET", path: pathOf(podKind), query: { watch: "true", ...query } } as const;
    const response: IncomingMessage = await client.stream(request, life.signal, accept);
    expect(response.headers["content-type"]).toContain(accept.split(",")[0]);
    for await (const events of eventsOf(podKind, keep, response)) {
      all.push(...events);
      if (all.length >= enough) return all;
    }
    return all;
  } finally {
    life.abort();
  }
}

const byName = (a: KubeObject, b: KubeObject) => (a.metadata.name < b.metadata.name ? -1 : 1);

describe("a list of pods as its reader keeps them", () => {
  it("is the same in Protocol Buffers as it is in JSON, in pages, and as a watch that begins with what is there", async () => {
    const gone = await fill(20_261_130);
    for (const keep of keeps) {
      const request = { method: "GET", path: pathOf(podKind), query: { limit: "25" } } as const;
      const page = async (accept: string, more = {}) => {
        const asked = { ...request, query: { ...request.query, ...more } };
        return await client.fetch(asked, accept, (answer) => {
          expect(answer.type).toContain(accept.split(",")[0]);
          return listPage(podKind, keep, answer);
        });
      };
      const [json, wire] = [await page("application/json"), await page(acceptable(podKind, keep))];
      expect(wire.items).toHaveLength(25);
      expect(wire.items).toStrictEqual(json.items);
      expect(wire.revision).toBe(json.revision);
      const second = await page(acceptable(podKind, keep), { continue: wire.next });
      expect(second.items).toStrictEqual((await page("application/json", { continue: json.next })).items);
      // Revision 0: what the server has, as synthetic events.
      const all = PODS - gone;
      const query = { resourceVersion: "0", timeoutSeconds: "60" };
      const [told, read] = [
        await seen("application/json", keep, query, all),
        await seen(acceptable(podKind, keep), keep, query, all),
      ];
      const objects = (events: readonly Seen[]) => events.map(({ object }) => object).toSorted(byName);
      expect(objects(read)).toStrictEqual(objects(told));
      expect(objects(read).slice(0, 25)).toStrictEqual(wire.items.toSorted(byName));
    }
  });
});

describe("a watch of pods", () => {
  it("tells of changes and ends alike", async () => {
    const store = kubernetesStore(server.access);
    const keep = { node: "n1" };
    const { revision } = await store.list(podKind);
    const both = Promise.all(
      ["application/json", acceptable(podKind, keep)].map((accept) =>
        seen(accept, keep, { resourceVersion: revision, timeoutSeconds: "60" }, 4),
      ),
    );
    const made = await store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "changes", namespace: "default", labels: { a: "b" } },
      spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] },
      status: { phase: "Running", podIP: "10.0.0.9", podIPs: [{ ip: "10.0.0.9" }] },
    } as unknown as Pod);
    const other = { ...made, metadata: { ...made.metadata, labels: {}, annotations: { x: "y" } } };
    await store.update(podKind, other);
    await store.delete(podKind, "changes", "default", { uid: made.metadata.uid });
    await store.close();
    const [json, wire] = await both;
    expect(json?.map(({ type }) => type)).toEqual(["added", "modified", "modified", "modified"]);
    expect(wire).toStrictEqual(json);
  });

  it("says what the server refuses within it", async () => {
    await server.forget();
    for (const accept of ["application/json", acceptable(podKind, "network")]) {
      const refused = seen(accept, "network", { resourceVersion: "1", timeoutSeconds: "5" }, 1);
      await expect(refused).rejects.toBeInstanceOf(ApiRefusal);
      await expect(refused).rejects.toMatchObject({ code: 410, reason: "Expired" });
    }
  });
});
