// Real kubelets, containerd, kube-proxy and the image of ours on three nodes: the seed manifests as they stand, and what an
// operator then does with kubectl.
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cidrContains, parseCidr, parseIp } from "../../src/base/ip.ts";
import {
  Cluster,
  eventually,
  isReady,
  manifests,
  nodeAddress,
  nodes,
  outside,
  type PodObject,
  succeeded,
} from "./cluster.ts";

let cluster: Cluster;
const seed = (name: string) => readFileSync(path.join(manifests, name), "utf8");

interface Block {
  readonly spec: { readonly cidr: string; readonly node: string };
}
const blocks = async () =>
  (JSON.parse(await cluster.kube("get", "addressblocks", "-o", "json")) as { items: Block[] }).items;

beforeAll(async () => {
  cluster = await Cluster.up();
  await cluster.kube("create", "namespace", "data");
  for (const name of ["05-pool-and-workloads", "02-ip-masq-agent", "04-network-policy"])
    await cluster.apply(seed(`${name}.yaml`));
  await cluster.apply(seed("05-allow-nginxclient-as-written.yaml"));
  await cluster.readyPods("default", "app", 4);
  await eventually("the clients run", async () =>
    (await cluster.pods("default", "!app")).filter(isReady).length === 2 ? true : undefined,
  );
}, 3_600_000);
afterAll(async () => {
  if (cluster !== undefined) expect(await cluster.down()).toEqual([]);
}, 1_200_000);

const one = async (selector: string, namespace = "default"): Promise<PodObject> => {
  const [pod] = await cluster.pods(namespace, selector);
  if (pod === undefined) throw new Error(`there is no pod ${selector}`);
  return pod;
};

/** Asks a stand-in, from busybox in a pod, who it is asked by: an address, or undefined where nothing comes back. */
async function seenBy(client: string, at: string, namespace = "default"): Promise<string | undefined> {
  const words = ["busybox", "timeout", "10", "wget", "-q", "-O", "-", `http://${at}/clientip`];
  const { code, stdout } = await cluster.exec(namespace, client, ...words);
  return code === 0 ? stdout.trim().replace(/:\d+$/, "") : undefined;
}

/** As `seenBy`, of what has to answer: a server or a client may wait for a processor for longer than a question waits. */
const answered = (client: string, at: string, namespace = "default"): Promise<string> =>
  eventually(`${client} is answered by ${at}`, () => seenBy(client, at, namespace));

/** The same from beside the control plane. */
async function fetched(url: string): Promise<string> {
  const script =
    "fetch(process.argv[1], { signal: AbortSignal.timeout(30_000) }).then((r) => r.text()).then((t) => process.stdout.write(t))";
  return succeeded(url, await cluster.run(process.execPath, ["-e", script, url]));
}

/** Pods that answer on 8080 with who asked, or wait in busybox. */
const podOf = (name: string, more: object, labels: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [{ name: "c", image: "agnhost:1", args: ["netexec"], ...more }],
  },
});
const client = { image: "busybox", command: ["sleep", "3600"], args: [] };

describe("the seed manifests, unchanged", () => {
  it("all nodes are Ready, and pods run with addresses out of their nodes' blocks", async () => {
    const ready = await cluster.kube("get", "nodes", "--no-headers");
    expect(
      ready
        .trim()
        .split("\n")
        .map((line) => line.split(/ +/).slice(0, 2).join(" ")),
    ).toEqual(nodes.map((node) => `${node} Ready`));
    const claimed = await blocks();
    for (const { spec } of claimed) expect(spec.cidr).toMatch(/^10\.1\..*\/26$/);
    const pods = await cluster.pods("default");
    expect(pods).toHaveLength(6);
    for (const { metadata, spec, status } of pods) {
      const own = claimed.filter((block) => block.spec.node === spec.nodeName);
      const inside = own.some((block) =>
        cidrContains(parseCidr(block.spec.cidr), parseIp(status.podIP ?? "")),
      );
      expect(inside, `${metadata.name} ${status.podIP} on ${spec.nodeName}`).toBe(true);
    }
  });

  it("mysql is reached by every myweb, also from another node, and sees the pod's own address", async () => {
    const mysql = await one("app=mysql");
    const webs = await cluster.pods("default", "app=myweb");
    for (const web of webs) {
      const words = ["/agnhost", "connect", `${mysql.status.podIP}:3306`, "--timeout=30s"];
      const { code, stderr } = await cluster.exec("default", web.metadata.name, ...words);
      expect(code, stderr).toBe(0);
    }
    expect(webs.some(({ spec }) => spec.nodeName !== mysql.spec.nodeName)).toBe(true);
    const asking = await one("role=nginxclient");
    expect(await answered("client1", `${mysql.status.podIP}:3306`)).toBe(asking.status.podIP);
  });

  it("allow-nginxclient lets everyone in as it is written, and one client as it was meant", async () => {
    const nginx = `${(await one("app=nginx")).status.podIP}:80`;
    await cluster.apply(seed("05-allow-nginxclient-as-written.yaml"));
    await answered("client2", nginx);
    await answered("client1", nginx);
    await cluster.apply(seed("05-allow-nginxclient-as-meant.yaml"));
    await eventually("client2 is refused", async () =>
      (await seenBy("client2", nginx)) === undefined ? true : undefined,
    );
    await answered("client1", nginx);
  });

  it("test-network-policy admits who it names", async () => {
    const pods = [
      podOf("center", {}, { role: "data_centerevent" }),
      podOf("apps", client, { role: "apps" }),
      podOf("other", client),
    ];
    for (const pod of pods) await cluster.apply(JSON.stringify(pod), "-n", "data");
    await eventually("pods in data run", async () =>
      (await cluster.pods("data")).filter(isReady).length === 3 ? true : undefined,
    );
    const center = `${(await one("role=data_centerevent", "data")).status.podIP}:8080`;
    expect(await answered("apps", center, "data")).toBe((await one("role=apps", "data")).status.podIP);
    expect(await seenBy("other", center, "data")).toBeUndefined();
  });

  it("ip-masq-agent's ConfigMap decides which source address the world sees", async () => {
    // A host outside that knows the way back to pods.
    await cluster.run("ip", ["route", "add", "10.1.0.0/16", "via", nodeAddress("node1")]);
    const asked = async () => seenBy("client1", `${outside}:8099`);
    const server = cluster.start("agnhost", ["netexec", "--http-port=8099", "--udp-port=-1"]);
    try {
      await cluster.apply(seed("02-ip-masq-agent.yaml"));
      const pod = await one("role=nginxclient");
      // 192.168.0.0/16 is among the ranges that are not masqueraded.
      await eventually("the pod's own address is seen", async () =>
        (await asked()) === pod.status.podIP ? true : undefined,
      );
      await cluster.kube("delete", "configmap", "-n", "kube-system", "ip-masq-agent");
      await eventually("the node's address is seen", async () =>
        (await asked()) === nodeAddress(pod.spec.nodeName ?? "") ? true : undefined,
      );
    } finally {
      await server.end();
    }
  });
});

describe("what kubectl does with pods", () => {
  it("exec, logs and port-forward", async () => {
    const mysql = (await one("app=mysql")).metadata.name;
    const said = await cluster.exec("default", "client1", "hostname");
    expect(said).toMatchObject({ code: 0, stdout: "client1\n" });
    expect(await cluster.kube("logs", mysql)).toContain("3306");
    const kubeconfig = `--kubeconfig=${cluster.kubeconfig}`;
    const forwarding = cluster.start("kubectl", [kubeconfig, "port-forward", `pod/${mysql}`, "13306:3306"]);
    try {
      await eventually("the forwarded port answers", () => fetched("http://127.0.0.1:13306/clientip"));
    } finally {
      await forwarding.end();
    }
  });

  it("a liveness probe comes from the node's own address, past a policy that admits nobody", async () => {
    // A server that waits for a processor is not one that packets do not reach.
    const patience = { timeoutSeconds: 30, failureThreshold: 10 };
    const probe = { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1, ...patience };
    const shut = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "shut" },
      spec: { podSelector: { matchLabels: { app: "probed" } }, policyTypes: ["Ingress"] },
    };
    await cluster.apply(JSON.stringify(shut));
    await cluster.apply(
      JSON.stringify(podOf("probed", { livenessProbe: probe, readinessProbe: probe }, { app: "probed" })),
    );
    const [pod] = await cluster.readyPods("default", "app=probed", 1);
    expect(await seenBy("client1", `${pod?.status.podIP}:8080`)).toBeUndefined();
    const node = pod?.spec.nodeName ?? "";
    const sources = await eventually("it was probed some times", async () => {
      const flows = ["-L", "-p", "tcp", "--dport", "8080", "-d", pod?.status.podIP ?? ""];
      const { stdout } = await cluster.inNode(node, "conntrack", ...flows);
      const found = [...stdout.matchAll(/(?:ESTABLISHED|TIME_WAIT) src=(\S+)/g)].map(([, source]) => source);
      return found.length >= 5 ? new Set(found) : undefined;
    });
    expect([...sources]).toEqual([nodeAddress(node)]);
    expect((await one("app=probed")).status.containerStatuses?.[0]?.restartCount).toBe(0);
    await cluster.kube("delete", "pod/probed", "networkpolicy/shut");
  });

  it("probe --exec sends real packets between pods, and says the source that the far side saw, as explain says", async () => {
    const [web] = await cluster.pods("default", "app=myweb");
    const mysql = await one("app=mysql");
    const ends = [`pod/${web?.metadata.name}`, `pod/${mysql.metadata.name}:3306`];
    const probed = await cluster.trunkline("probe", ...ends, "--exec", "-o", "json");
    expect(JSON.parse(succeeded("probe", probed))).toMatchObject({
      reachable: true,
      sourceSeen: web?.status.podIP,
    });
    const { stdout } = await cluster.trunkline("explain", ...ends, "-o", "json");
    expect(stdout).toContain(web?.status.podIP);
    await cluster.apply(seed("05-allow-nginxclient-as-meant.yaml"));
    const nginx = `pod/${(await one("app=nginx")).metadata.name}:80`;
    await eventually("client2's packets are dropped", async () =>
      (await cluster.trunkline("probe", "pod/client2", nginx, "--exec")).code === 1 ? true : undefined,
    );
    expect((await cluster.trunkline("probe", "pod/client1", nginx, "--exec")).code).toBe(0);
  });

  it("Services lead to pods: by cluster address, and by every node's port", async () => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web" },
      spec: {
        type: "NodePort",
        selector: { app: "myweb" },
        ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }],
      },
    };
    await cluster.apply(JSON.stringify(service));
    const ip = await cluster.kube("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    const own = (await one("role=nginxclient")).status.podIP;
    // kube-proxy writes it a moment later.
    expect(await answered("client1", `${ip}:80`)).toBe(own);
    const webs = (await cluster.pods("default", "app=myweb")).map(({ metadata }) => metadata.name);
    // kube-proxy draws lots.
    for (const node of nodes) {
      const names = new Set<string>();
      await eventually(`${node}'s port leads to every pod`, async () => {
        names.add(await fetched(`http://${nodeAddress(node)}:30080/hostname`));
        return names.size >= webs.length ? true : undefined;
      });
      expect([...names].toSorted()).toEqual(webs.toSorted());
    }
    const { stdout } = await cluster.trunkline("explain", "pod/client1", "svc/web:80", "-o", "json");
    expect(stdout).toContain(ip);
  });

  it("a host port leads to its pod", async () => {
    await cluster.apply(
      JSON.stringify(
        podOf("hosted", { ports: [{ containerPort: 8080, hostPort: 8081 }] }, { app: "hosted" }),
      ),
    );
    const [pod] = await cluster.readyPods("default", "app=hosted", 1);
    const at = `http://${nodeAddress(pod?.spec.nodeName ?? "")}:8081/hostname`;
    expect(await eventually("the host port answers", () => fetched(at))).toBe("hosted");
    await cluster.kube("delete", "pod/hosted");
  });
});

describe("the API server and our kinds", () => {
  it("prints pools, explains a SourceNAT, and tells of what is wrong with a pool as an event", async () => {
    expect(await cluster.kube("get", "ippools", "-o", "wide")).toContain("10.1.0.0/16");
    expect(await cluster.kube("explain", "sourcenat.spec")).toMatch(/FIELDS?:/);
    // It overlaps the nodes' own network, which the API server cannot know.
    await cluster.apply(JSON.stringify(poolOf("nodes", "192.168.0.0/16")));
    await eventually("an event about the pool", async () => {
      const text = await cluster.kube("describe", "ippool", "nodes");
      return /Events:\s*\n/.test(text) && text.slice(text.indexOf("Events:")).includes("192.168.")
        ? true
        : undefined;
    });
    await cluster.kube("delete", "ippool", "nodes");
  });

  it("refuses a pool that overlaps another one, and names both ranges", async () => {
    const { code, stderr } = await cluster.kubectl(
      ["apply", "-f", "-"],
      JSON.stringify(poolOf("second", "10.1.128.0/17")),
    );
    expect(code).not.toBe(0);
    expect(stderr).toContain("10.1.128.0/17");
    expect(stderr).toContain("10.1.0.0/16");
  });
});

const poolOf = (name: string, cidr: string) => ({
  apiVersion: "crd.projectcalico.org/v1",
  kind: "IPPool",
  metadata: { name },
  spec: { cidr },
});
