// The agent on every node and the controller. Both use their node's own network: pods have addresses only because of them.
import { privateSocket } from "../cluster/agents.ts";
import type { Part } from "./rights.ts";
import type { SettingName, Values } from "./settings.ts";

const labels = (component: string) => ({
  "app.kubernetes.io/name": "trunkline",
  "app.kubernetes.io/component": component,
});

/** A setting as the text of an argument; a chart puts its value there. */
const text = (values: Values, name: SettingName) => String(values(name));

/** Paths on nodes that the agent sees under the same path, since the plugin is told of them. */
function agentVolumes(values: Values) {
  const shared = (name: string, path: string, type: string, more: object = {}) => ({
    volume: { name, hostPath: { path, type } },
    mount: { name, mountPath: path, ...more },
  });
  const placed = (name: string, path: unknown, mountPath: string) => ({
    volume: { name, hostPath: { path, type: "DirectoryOrCreate" } },
    mount: { name, mountPath },
  });
  const { volume, mount } = provider(values);
  return {
    run: shared("run", "/run/trunkline", "DirectoryOrCreate"),
    state: shared("state", text(values, "agent.stateDir"), "DirectoryOrCreate"),
    // Namespaces of pods that the runtime makes later must be seen here, too.
    netns: shared("netns", "/run/netns", "DirectoryOrCreate", { mountPropagation: "HostToContainer" }),
    lock: shared("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
    bin: placed("cni-bin", values("cni.binDir"), binDir),
    conf: placed("cni-conf", values("cni.confDir"), confDir),
    provider: { volume, mount },
  };
}

/** Both daemons ask the provider of subnets, with the same keys. */
function provider(values: Values) {
  return {
    args: [
      `--provider=${text(values, "provider")}`,
      `--provider-credentials=${text(values, "providerCredentials")}`,
      `--provider-endpoint=${text(values, "providerEndpoint")}`,
      `--provider-group=${text(values, "providerGroups")}`,
      `--cluster=${text(values, "clusterName")}`,
    ],
    ...secretFiles("provider", values("providerSecret")),
  };
}

/** Of the page that controllers may serve. */
function page(values: Values) {
  const files = secretFiles("ui", values("ui.tokenSecret"));
  return {
    args: [
      `--ui-listen=${text(values, "ui.listen")}`,
      `--ui-token-file=${files.mount.mountPath}/token`,
      `--ui-host-name=${text(values, "ui.hostNames")}`,
    ],
    ...files,
  };
}

/** A Secret's keys as files, for whoever is in the group: the controller is nobody else. It need not be there. */
function secretFiles(name: string, secretName: unknown) {
  return {
    volume: { name, secret: { secretName, optional: true, defaultMode: 0o440 } },
    mount: { name, mountPath: `/etc/trunkline/${name}`, readOnly: true },
  };
}

const binDir = "/host/cni/bin";
const confDir = "/host/cni/net.d";

function image(values: Values) {
  return {
    image: `${text(values, "image.repository")}:${text(values, "image.tag")}`,
    imagePullPolicy: values("image.pullPolicy"),
  };
}

const health = (path: string, port: unknown, more: object) => ({
  httpGet: { host: "127.0.0.1", path, port },
  ...more,
});

/**
 * A node that boots, or has no processor to spare, takes its time to start a daemon: ended for that it would begin from anew, and
 * never serve. One that serves has a minute to answer.
 */
const aliveness = (port: unknown) => ({
  startupProbe: health("/livez", port, { periodSeconds: 5, failureThreshold: 120, timeoutSeconds: 5 }),
  livenessProbe: health("/livez", port, { periodSeconds: 10, failureThreshold: 6, timeoutSeconds: 5 }),
});

function agentDaemon(values: Values) {
  const port = values("agent.healthPort");
  const stateDir = text(values, "agent.stateDir");
  return {
    name: "agent",
    ...image(values),
    args: [
      "agent",
      "--store=kubernetes:",
      "--node=$(NODE_NAME)",
      `--state=${stateDir}`,
      `--queue=${stateDir}/cni-queue`,
      `--startup-taint=${text(values, "startupTaint")}`,
      `--cni-bin-dir=${binDir}`,
      `--cni-conf-dir=${confDir}`,
      `--health-socket=${privateSocket}`,
      `--health-port=${String(port)}`,
      ...provider(values).args,
      `--log-level=${text(values, "logLevel")}`,
    ],
    env: [{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
    resources: values("agent.resources"),
    // It enters pods' network namespaces, and writes nftables, routes and /proc/sys/net.
    securityContext: { privileged: true },
    ...aliveness(port),
    readinessProbe: health("/readyz", port, { periodSeconds: 5, timeoutSeconds: 5 }),
    volumeMounts: Object.values(agentVolumes(values)).map(({ mount }) => mount),
  };
}

function agentInstaller(values: Values) {
  return {
    name: "install-cni",
    ...image(values),
    args: ["install-cni", "--executable-only", `--bin-dir=${binDir}`],
    securityContext: {
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["DAC_OVERRIDE"] },
    },
    volumeMounts: [agentVolumes(values).bin.mount],
  };
}

function agent(values: Values): Part {
  return {
    object: {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "trunkline-agent", namespace: values("namespace"), labels: labels("agent") },
      spec: {
        selector: { matchLabels: labels("agent") },
        // Pods keep their network while an agent is replaced; new ones wait for the moment.
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
        template: {
          metadata: { labels: labels("agent") },
          spec: {
            serviceAccountName: "trunkline-agent",
            priorityClassName: "system-node-critical",
            hostNetwork: true,
            terminationGracePeriodSeconds: 15,
            nodeSelector: { "kubernetes.io/os": "linux" },
            tolerations: [{ operator: "Exists" }],
            initContainers: [agentInstaller(values)],
            containers: [agentDaemon(values)],
            volumes: Object.values(agentVolumes(values)).map(({ volume }) => volume),
          },
        },
      },
    },
  };
}

/** Calico's names, which the controller reads; an empty value says nothing. */
const poolVariables: readonly (readonly [string, SettingName])[] = [
  ["CALICO_IPV4POOL_CIDR", "pool.ipv4"],
  ["CALICO_IPV6POOL_CIDR", "pool.ipv6"],
  ["CALICO_IPV4POOL_BLOCK_SIZE", "pool.blockSize"],
  ["CALICO_IPV4POOL_NAT_OUTGOING", "pool.natOutgoing"],
  ["CALICO_IPV4POOL_VXLAN", "pool.vxlan"],
  ["CALICO_IPV4POOL_IPIP", "pool.ipip"],
  ["CALICO_IPV4POOL_NODE_SELECTOR", "pool.nodeSelector"],
];

function controllerDaemon(values: Values) {
  const port = values("controller.healthPort");
  const keys = provider(values);
  const ui = page(values);
  return {
    name: "controller",
    ...image(values),
    args: [
      "controller",
      "--store=kubernetes:",
      "--identity=$(POD_NAME)",
      `--health-port=${String(port)}`,
      ...keys.args,
      ...ui.args,
      `--log-level=${text(values, "logLevel")}`,
    ],
    env: [
      { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      ...poolVariables.map(([name, setting]) => ({ name, value: text(values, setting) })),
    ],
    // Two of them on one node would want one port: the scheduler knows.
    ports: [{ name: "health", containerPort: port, hostPort: port }],
    resources: values("controller.resources"),
    securityContext: {
      runAsUser: 65532,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...aliveness(port),
    readinessProbe: health("/readyz", port, { periodSeconds: 5, timeoutSeconds: 5 }),
    volumeMounts: [keys.mount, ui.mount],
  };
}

function controller(values: Values): Part[] {
  const port = values("controller.healthPort");
  const metadata = {
    name: "trunkline-controller",
    namespace: values("namespace"),
    labels: labels("controller"),
  };
  const selector = { matchLabels: labels("controller") };
  return [
    {
      object: {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata,
        spec: {
          replicas: values("controller.replicas"),
          selector,
          strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
          template: {
            metadata: { labels: labels("controller") },
            spec: {
              serviceAccountName: "trunkline-controller",
              priorityClassName: "system-cluster-critical",
              // It makes the first pool: before that no pod has an address, and so neither could it.
              hostNetwork: true,
              nodeSelector: { "kubernetes.io/os": "linux" },
              tolerations: [{ operator: "Exists" }],
              securityContext: { fsGroup: 65532 },
              containers: [controllerDaemon(values)],
              volumes: [provider(values).volume, page(values).volume],
            },
          },
        },
      },
    },
    {
      object: {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata,
        spec: { maxUnavailable: 1, selector },
      },
    },
    {
      // Says nothing while it uses its node's network; if somebody changes that, nobody has business with it but a probe.
      object: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata,
        spec: {
          podSelector: selector,
          policyTypes: ["Ingress"],
          ingress: [{ ports: [{ port, protocol: "TCP" }] }],
        },
      },
    },
  ];
}

/** Returns what runs. */
export function workloads(values: Values): readonly Part[] {
  return [agent(values), ...controller(values)];
}
