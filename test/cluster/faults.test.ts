// What a cluster is made of is killed, stopped and made to refuse, one after the other, while pods come and go. Never are two pods
// on one address, flows that run lose nothing, and in the end nothing is held that nobody has.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster, eventually, nodes, outside, type PodObject } from "./cluster.ts";
import {
  deploymentOf,
  findsNothing,
  linksByAddress,
  podNamed,
  podsByAddress,
  pool,
  waitingPod,
} from "./pods.ts";

/** Pods that come and go: two processors keep no more of them moving. */
const MOST = Number(process.env["TRUNKLINE_CHURN"] ?? 30);
/**
 * Between orders. Two processors start some three pods a second: more pods in the same time only pile up, until hundreds of
 * runc wait for each other to read the mount table, and nothing of the network is tried any more.
 */
const PACE_MS = MOST <= 30 ? 3000 : 300 * MOST;
/** How long the API server is away for long. */
const LONG_S = Number(process.env["TRUNKLINE_OUTAGE"] ?? 300);
const FAULT_MS = 2_400_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.up();
  await cluster.apply(JSON.stringify(pool));
  for (const [name, node] of [
    ["near", nodes[0]],
    ["far", nodes[1]],
  ] as const)
    await cluster.apply(JSON.stringify(waitingPod(name, { node, labels: { app: "flow" } })));
  await cluster.apply(JSON.stringify(deploymentOf("churn", MOST)));
  await cluster.readyPods("default", "app=churn", MOST);
  await cluster.readyPods("default", "app=flow", 2);
}, 1_800_000);
afterAll(async () => {
  if (cluster !== undefined) expect(await cluster.down()).toEqual([]);
}, 600_000);

/** Does a round of work over and over, also when a cluster under repair refuses it; the result ends it. */
function over(round: (number: number) => Promise<unknown>): () => Promise<void> {
  let goes = true;
  const work = (async () => {
    for (let number = 0; goes; number++) await round(number).catch(() => undefined);
  })();
  return async () => {
    goes = false;
    await work;
  };
}

/** Scales up and down. */
const churn = () =>
  over(async (round) => {
    const replicas = round % 2 === 0 ? Math.ceil(MOST / 3) : MOST;
    await cluster.kubectl(["scale", "deployment/churn", `--replicas=${replicas}`, "--request-timeout=5s"]);
    await sleep(PACE_MS);
  });

/** Looks for an address that two pods have: by the API, as often as it answers, and by the kernels. */
function watchAddresses() {
  const twice = new Set<string>();
  let looks = 0;
  const end = over(async () => {
    for (const by of [podsByAddress, linksByAddress]) {
      // While the server is away kubectl fails.
      const found = await by(cluster).catch(() => new Map<string, string[]>());
      if (found.size > 0) looks++;
      for (const [address, names] of found)
        if (names.length > 1) twice.add(`${address}: ${names.join(", ")}`);
    }
    await sleep(1000);
  });
  return async () => {
    await end();
    return { twice: [...twice], looks };
  };
}

/** What all faults have in common: pods churn and packets flow while `fault` goes on; then all is as it should be. */
async function during(fault: () => Promise<void>): Promise<void> {
  const [near, far] = [await podNamed(cluster, "near"), await podNamed(cluster, "far")];
  const flows = [cluster.flow(near, far.status.podIP ?? ""), cluster.flow(far, near.status.podIP ?? "")];
  const endWatch = watchAddresses();
  try {
    const endChurn = churn();
    try {
      await fault();
      // What is repaired now is repaired under work.
      await sleep(15_000);
    } finally {
      await endChurn();
    }
    await cluster.answers();
    await eventually("it takes an order", async () =>
      (await cluster.kubectl(["scale", "deployment/churn", `--replicas=${MOST}`])).code === 0
        ? true
        : undefined,
    );
    await allServe();
    const { twice, looks } = await endWatch();
    expect(twice).toEqual([]);
    expect(looks).toBeGreaterThan(0);
    for (const flow of flows) {
      const { sent, answers, longestGapMs } = await flow.end();
      expect(sent).toBeGreaterThan(1000);
      expect(answers, `of ${sent}, the longest gap was ${longestGapMs} ms`).toBe(sent);
    }
    await findsNothing(cluster);
  } finally {
    await endWatch();
    for (const flow of flows) await flow.end();
  }
}

async function allServe(): Promise<void> {
  await cluster.readyPods("default", "app=churn", MOST, 1200);
  await cluster.readyPods("kube-system", "app.kubernetes.io/component=agent", nodes.length);
  await cluster.readyPods("kube-system", "app.kubernetes.io/component=controller", 2);
}

/** Kills a program, and starts it again after so long. */
async function away(name: string, seconds: number): Promise<void> {
  cluster.kill(name);
  await sleep(seconds * 1000);
  await cluster.startAgain(name);
}

/** Stops a program for so long: who asks it gets no answer, and no refusal. */
async function hangs(name: string, seconds: number): Promise<void> {
  cluster.kill(name, "SIGSTOP");
  await sleep(seconds * 1000).finally(() => cluster.kill(name, "SIGCONT"));
}

/** What nodes ask of the API server is refused every second time, and their watches break, for so long. */
async function refuses(seconds: number): Promise<void> {
  const ownPort = "6444";
  const certs = path.join(cluster.state, "certs");
  const proxy = cluster.start(process.execPath, [
    path.join(import.meta.dirname, "api-proxy.ts"),
    path.join(certs, "apiserver.crt"),
    path.join(certs, "apiserver.key"),
    outside,
    "6443",
    ownPort,
  ]);
  const nft = async (rules: string) => {
    const done = await cluster.run("nft", ["-f", "-"], rules);
    expect(done.code, done.stderr).toBe(0);
  };
  await nft(`table ip refuses {
    chain nodes {
      type nat hook prerouting priority dstnat;
      ip saddr 192.168.66.0/24 ip daddr ${outside} tcp dport 6443 dnat to ${outside}:${ownPort}
    }
  }`);
  try {
    // Connections that stand know nothing of the rule.
    await away("control-api", 1);
    await sleep(seconds * 1000);
    const refused = await cluster.run("conntrack", ["-L", "-p", "tcp", "--orig-port-dst", "6443"]);
    expect(refused.stdout, "nodes ask the one that refuses").toContain(`sport=${ownPort}`);
  } finally {
    await nft("delete table ip refuses");
    await proxy.end();
  }
}

const daemons = (component: string) =>
  cluster.pods("kube-system", `app.kubernetes.io/component=${component}`);

/** Kills all processes of pods of ours, their sandboxes' too; kubelets start them again. */
function killAll(pods: readonly PodObject[]): void {
  for (const pid of pods.flatMap((pod) => cluster.processesOf(pod))) process.kill(pid, "SIGKILL");
}

/** Stops pods' processes while `work` goes on. */
async function whileStopped(pods: readonly PodObject[], work: () => Promise<void>): Promise<void> {
  const processes = pods.flatMap((pod) => cluster.processesOf(pod));
  expect(processes.length).toBeGreaterThanOrEqual(pods.length);
  for (const pid of processes) process.kill(pid, "SIGSTOP");
  await work().finally(() => {
    for (const pid of processes) process.kill(pid, "SIGCONT");
  });
}

describe("while pods come and go", () => {
  const fault = (name: string, work: () => Promise<void>) => it(name, () => during(work), FAULT_MS);

  fault("etcd is killed", () => away("control-etcd", 5));
  fault("the API server is killed, for 10 s", () => away("control-api", 10));
  fault("the API server is killed, for long", () => away("control-api", LONG_S));
  fault("the API server hangs for a minute", () => hangs("control-api", 60));
  fault("the API server answers 429 and 500, and breaks watches", () => refuses(60));
  fault("containerd is killed", () => away(`${nodes[0]}-containerd`, 5));
  fault("a kubelet is killed", () => away(`${nodes[1]}-kubelet`, 10));
  fault("controllers are killed, both at once", async () => killAll(await daemons("controller")));

  fault("agents are killed, one after the other", async () => {
    for (const node of nodes) {
      killAll((await daemons("agent")).filter(({ spec }) => spec.nodeName === node));
      await sleep(5000);
    }
  });

  fault("the leader is paused for nearly a minute, and another one leads", async () => {
    const lease = ["get", "lease", "-n", "kube-system", "trunkline-controller"];
    const holder = () => cluster.kube(...lease, "-o", "jsonpath={.spec.holderIdentity}");
    const leader = await holder();
    const paused = (await daemons("controller")).filter(({ metadata }) => leader.includes(metadata.name));
    expect(paused.length, `${leader} is a controller's pod`).toBe(1);
    await whileStopped(paused, async () => {
      // Its kubelet ends one that has not answered for a minute.
      const passed = sleep(55_000);
      await eventually("another one leads", async () => ((await holder()) === leader ? undefined : true), 50);
      await passed;
    });
    // It wakes up in the middle of its work, and takes nothing back.
    await sleep(10_000);
    expect(await holder()).not.toBe(leader);
    const restarts = ({ status }: PodObject) =>
      status.containerStatuses?.map(({ restartCount }) => restartCount);
    const now = (await daemons("controller")).filter(
      ({ metadata }) => metadata.uid === paused[0]?.metadata.uid,
    );
    expect(now.map(restarts)).toEqual(paused.map(restarts));
  });

  fault("etcd forgets its history under the agents' watches", async () => {
    // Agents do not see what is then forgotten.
    await whileStopped(await daemons("agent"), async () => {
      await sleep(10_000);
      const endpoint = `--endpoints=${cluster.etcd}`;
      const { stdout } = await cluster.run("etcdctl", [endpoint, "endpoint", "status", "-w", "json"]);
      const [{ Status }] = JSON.parse(stdout) as [{ Status: { header: { revision: number } } }];
      const done = await cluster.run("etcdctl", [endpoint, "compact", String(Status.header.revision)]);
      expect(done.code, done.stderr).toBe(0);
      // The API server has a window of its own: with it gone, it has to ask etcd.
      await away("control-api", 1);
    });
  });
});

describe("a pod whose sandbox dies gets another, with an address,", () => {
  async function madeAgain(pod: PodObject): Promise<string> {
    const old = cluster.processesOf(pod);
    expect(old.length).toBeGreaterThan(0);
    for (const pid of old) process.kill(pid, "SIGKILL");
    return eventually("its kubelet has started it again, with an address", async () => {
      const pid = cluster.processesOf(pod).find((one) => !old.includes(one));
      const words = [`--target=${pid}`, "--net", "ip", "-4", "-o", "address", "show", "eth0"];
      const shown = pid === undefined ? "" : (await cluster.run("nsenter", words)).stdout;
      return /inet (10\.1\.[\d.]+)/.exec(shown)?.[1];
    });
  }

  it.each([
    ["away", () => cluster.kill("control-api"), () => cluster.startAgain("control-api")],
    ["stuck", () => cluster.kill("control-api", "SIGSTOP"), () => cluster.kill("control-api", "SIGCONT")],
  ] as const)(
    "while the API server is %s",
    async (_, begin, end) => {
      const near = await podNamed(cluster, "near");
      begin();
      let address: string;
      try {
        address = await madeAgain(near);
      } finally {
        await end();
      }
      await cluster.answers();
      await eventually(`the API has ${address}`, async () =>
        (await podNamed(cluster, "near")).status.podIP === address ? true : undefined,
      );
      await cluster.readyPods("default", "app=flow", 2);
      await allServe();
      await findsNothing(cluster);
    },
    FAULT_MS,
  );
});
