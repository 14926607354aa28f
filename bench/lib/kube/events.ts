// From an event at the API server until packets between two pods on two nodes tell that it is in force.
import { setTimeout as sleep } from "node:timers/promises";
import { processesIn } from "../../../test/cluster/cluster.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";
import type { Api, Asked } from "./api.ts";
import { far, near } from "./nodes.ts";
import type { PodObject, Pods } from "./pods.ts";
import { PolicyProbe, type Way } from "./probe.ts";

const ROUNDS = rounds(60, 15);
const WARM_UP = 5;
const MANY = 1000;
const policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
const sender = "/api/v1/namespaces/default/pods/event-from";
const target = { role: "event-to" };

/** All that may send to the target, by labels; nobody without any. */
const policy = (name: string, from?: Readonly<Record<string, string>>) => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name },
  spec: {
    podSelector: { matchLabels: target },
    policyTypes: ["Ingress"],
    ingress: from === undefined ? [] : [{ from: [{ podSelector: { matchLabels: from } }] }],
  },
});

/** What is written, and what then becomes of the way. */
interface Event {
  readonly id: string;
  readonly what: string;
  readonly way: Way;
  write(api: Api): Promise<Asked<object>>;
}

const label = (value: string | null) => (api: Api) =>
  api.patch(sender, { metadata: { labels: { asks: value } } });
const admit = (asks: string) => (api: Api) =>
  api.patch(`${policies}/event`, {
    spec: { ingress: [{ from: [{ podSelector: { matchLabels: { asks } } }] }] },
  });

/** In this order they begin where they end: nothing is admitted but what the policy names, and the sender has no label. */
const events: readonly Event[] = [
  { id: "label", what: "a pod's label changed", way: "open", write: label("yes") },
  { id: "policy", what: "a policy changed", way: "closed", write: admit("no") },
  { id: "policy", what: "a policy changed", way: "open", write: admit("yes") },
  { id: "label", what: "a pod's label changed", way: "closed", write: label(null) },
  {
    id: "created",
    what: "a policy created or deleted",
    way: "open",
    write: (api) => api.create(policies, policy("event-all", {})),
  },
  {
    id: "created",
    what: "a policy created or deleted",
    way: "closed",
    write: (api) => api.delete(`${policies}/event-all`),
  },
];

/** Milliseconds until packets tell: since the request was sent, and since its answer. */
interface Times {
  readonly sent: number;
  readonly answered: number;
}

export async function eventRows(pods: Pods, api: Api): Promise<Row[]> {
  const from = await pods.run("event-from", near);
  const to = await pods.run("event-to", far, target);
  const probe = new PolicyProbe(processOf(from.pod), processOf(to.pod), to.pod.status.podIP ?? "");
  try {
    await probe.until("open");
    await api.create(policies, policy("event", { asks: "yes" }));
    await probe.until("closed");
    const few = await measure(api, probe);
    for (let i = 0; i < MANY; i++) await api.create(policies, policy(`other-${i}`, { asks: `other-${i}` }));
    await sleep(3000);
    const many = await measure(api, probe);
    return [
      ...rowsOf("kube.event", "1 policy", few),
      ...rowsOf("kube.event.many", `${MANY + 1} policies on the pod`, many),
    ];
  } finally {
    probe.end();
    await api.delete(policies);
    for (const name of ["event-from", "event-to"]) await pods.remove(name);
  }
}

function processOf({ metadata }: PodObject): number {
  const [pid] = processesIn(`/pod${metadata.uid}/`);
  if (pid === undefined) throw new Error(`${metadata.name} runs no process`);
  return pid;
}

type Measured = ReadonlyMap<string, readonly Times[]>;

async function measure(api: Api, probe: PolicyProbe): Promise<Measured> {
  const times = new Map<string, Times[]>();
  for (let i = -WARM_UP; i < ROUNDS; i++)
    for (const event of events) {
      const { sent, answered } = await event.write(api);
      const at = await probe.until(event.way);
      const all = times.get(event.id) ?? [];
      times.set(event.id, all);
      if (i >= 0) all.push({ sent: at - sent, answered: at - answered });
      await sleep(50 + Math.random() * 50);
    }
  return times;
}

function rowsOf(id: string, beside: string, measured: Measured): Row[] {
  const all = [...measured.values()].flat();
  const most = (value: number) => ({ of: "ours", at: "most", value }) as const;
  const of = (times: readonly Times[], since: keyof Times, share: number) =>
    quantile(
      times.map((one) => one[since]),
      share,
    );
  const taken = `event taken by the API server until packets between pods tell, ${beside}`;
  const sent = `the same since the request was sent, ${beside}`;
  return [
    row(`${id}.p50`, `${taken}, p50 of ${all.length}`, "ms", of(all, "answered", 0.5), null, most(10)),
    row(`${id}.p99`, `${taken}, p99`, "ms", of(all, "answered", 0.99), null, most(50)),
    row(`${id}.sent.p50`, `${sent}, p50`, "ms", of(all, "sent", 0.5)),
    row(`${id}.sent.p99`, `${sent}, p99`, "ms", of(all, "sent", 0.99)),
    ...[...measured].map(([kind, times]) => {
      const what = events.find((one) => one.id === kind)?.what;
      return row(`${id}.${kind}`, `of the former, ${what}, p50`, "ms", of(times, "answered", 0.5));
    }),
  ];
}
