// The scenarios of Kubernetes' own end-to-end suite for network policies (test/e2e/network/netpol), written anew: the
// namespaces x, y, z with the pods a, b, c each, and for every scenario which connections must open.
import type { LabelSelector, Protocol } from "../../../src/api/kinds/core.ts";
import type { NetworkPolicy } from "../../../src/api/kinds/network-policy.ts";

export interface Asked {
  /** `x/a` */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface Step {
  readonly policies: readonly NetworkPolicy[];
  /** More labels for namespaces and pods, by name and `namespace/name`. */
  readonly labels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly allow: (asked: Asked) => boolean;
}

export interface Scenario {
  readonly name: string;
  /** Default: TCP only. */
  readonly protocols?: readonly Protocol[];
  readonly steps: readonly Step[];
}

type Spec = NetworkPolicy["spec"];

const ns = (name: string): LabelSelector => ({ matchLabels: { ns: name } });
const pod = (name: string): LabelSelector => ({ matchLabels: { pod: name } });
const oneOf = (key: string, ...values: string[]): LabelSelector => ({
  matchExpressions: [{ key, operator: "In", values }],
});
const noneOf = (key: string, ...values: string[]): LabelSelector => ({
  matchExpressions: [{ key, operator: "NotIn", values }],
});

let made = 0;
function policy(namespace: string, spec: Spec): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: {
      name: `policy-${++made}`,
      namespace,
      uid: `policy-${made}`,
      resourceVersion: `${made}`,
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec,
  };
}

const ingress = (namespace: string, podSelector: LabelSelector, rules: Spec["ingress"]): NetworkPolicy =>
  policy(namespace, { podSelector, policyTypes: ["Ingress"], ...(rules && { ingress: rules }) });
const egress = (namespace: string, podSelector: LabelSelector, rules: Spec["egress"]): NetworkPolicy =>
  policy(namespace, { podSelector, policyTypes: ["Egress"], ...(rules && { egress: rules }) });

const spaceOf = (name: string): string => name.slice(0, 1);
const podOf = (name: string): string => name.slice(2);
const all = (): boolean => true;

function one(
  name: string,
  policies: readonly NetworkPolicy[],
  allow: Step["allow"],
  protocols?: readonly Protocol[],
): Scenario {
  return { name, steps: [{ policies, allow }], ...(protocols && { protocols }) };
}

const toXa =
  (allow: Step["allow"]): Step["allow"] =>
  (asked) =>
    asked.to !== "x/a" || allow(asked);
const fromXa =
  (allow: Step["allow"]): Step["allow"] =>
  (asked) =>
    asked.from !== "x/a" || allow(asked);

/** Addresses of pods in the bed: x/a is .1, x/b .2 and so on to z/c, .9. */
export const scenarioPods = ["x", "y", "z"].flatMap((space) =>
  ["a", "b", "c"].map((name) => `${space}/${name}`),
);
export const scenarioIp = (name: string): string => `10.0.0.${scenarioPods.indexOf(name) + 1}`;
export const scenarioIp6 = (name: string): string => `fd00::${scenarioPods.indexOf(name) + 1}`;
const both = (name: string) => [
  { ipBlock: { cidr: `${scenarioIp(name)}/32` } },
  { ipBlock: { cidr: `${scenarioIp6(name)}/128` } },
];

export const scenarios: readonly Scenario[] = [
  one("default deny, ingress", [ingress("x", {}, undefined)], (asked) => spaceOf(asked.to) !== "x"),
  one(
    "default deny, everything",
    [policy("x", { podSelector: {}, policyTypes: ["Ingress", "Egress"] })],
    (asked) => spaceOf(asked.to) !== "x" && spaceOf(asked.from) !== "x",
  ),
  one(
    "from pods of the server's namespace, by pod selector",
    [ingress("x", pod("a"), [{ from: [{ podSelector: pod("b") }] }])],
    toXa((asked) => asked.from === "x/b"),
  ),
  one(
    "one target only",
    [ingress("x", {}, undefined), ingress("x", pod("a"), [{ from: [{ podSelector: pod("b") }] }])],
    (asked) => spaceOf(asked.to) !== "x" || (asked.to === "x/a" && asked.from === "x/b"),
  ),
  one("from all namespaces", [ingress("x", pod("a"), [{ from: [{ namespaceSelector: {} }] }])], all),
  one(
    "from other namespaces only",
    [ingress("x", pod("a"), [{ from: [{ namespaceSelector: noneOf("ns", "x") }] }])],
    toXa((asked) => spaceOf(asked.from) !== "x"),
  ),
  one(
    "pod selector with expressions",
    [ingress("x", pod("a"), [{ from: [{ podSelector: oneOf("pod", "b") }] }])],
    toXa((asked) => asked.from === "x/b"),
  ),
  one(
    "namespace selector with expressions",
    [ingress("x", pod("a"), [{ from: [{ namespaceSelector: oneOf("ns", "y") }] }])],
    toXa((asked) => spaceOf(asked.from) === "y"),
  ),
  one(
    "pod or namespace",
    [ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y") }, { podSelector: pod("b") }] }])],
    toXa((asked) => spaceOf(asked.from) === "y" || asked.from === "x/b"),
  ),
  one(
    "pod and namespace",
    [ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y"), podSelector: pod("b") }] }])],
    toXa((asked) => asked.from === "y/b"),
  ),
  one(
    "several pod and namespace selectors",
    [
      ingress("x", pod("a"), [
        { from: [{ namespaceSelector: noneOf("ns", "x"), podSelector: oneOf("pod", "b", "c") }] },
      ]),
    ],
    toXa((asked) => spaceOf(asked.from) !== "x" && podOf(asked.from) !== "a"),
  ),
  one(
    "any of the pod selectors",
    [ingress("x", pod("a"), [{ from: [{ podSelector: pod("b") }, { podSelector: pod("c") }] }])],
    toXa((asked) => asked.from === "x/b" || asked.from === "x/c"),
  ),
  one(
    "a pod in another namespace",
    [ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y"), podSelector: pod("a") }] }])],
    toXa((asked) => asked.from === "y/a"),
  ),
  one(
    "by port",
    [ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y") }], ports: [{ port: 81 }] }])],
    toXa((asked) => spaceOf(asked.from) === "y" && asked.port === 81),
  ),
  {
    name: "stacked, overlapping policies",
    steps: [
      {
        policies: [
          ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y") }], ports: [{ port: 81 }] }]),
        ],
        allow: toXa((asked) => spaceOf(asked.from) === "y" && asked.port === 81),
      },
      {
        policies: [
          ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y") }], ports: [{ port: 81 }] }]),
          ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y") }], ports: [{ port: 80 }] }]),
        ],
        allow: toXa((asked) => spaceOf(asked.from) === "y"),
      },
    ],
  },
  {
    name: "allow all over deny all",
    steps: [
      { policies: [ingress("x", {}, undefined)], allow: (asked) => spaceOf(asked.to) !== "x" },
      { policies: [ingress("x", {}, undefined), ingress("x", {}, [{}])], allow: all },
    ],
  },
  one(
    "one named port",
    [ingress("x", pod("a"), [{ ports: [{ port: "serve-81-tcp" }] }])],
    toXa((asked) => asked.port === 81),
  ),
  one(
    "a named port from a namespace",
    [ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y") }], ports: [{ port: "serve-80-tcp" }] }])],
    toXa((asked) => spaceOf(asked.from) === "y" && asked.port === 80),
  ),
  one(
    "leaving for a named port",
    [egress("x", pod("a"), [{ ports: [{ port: "serve-80-tcp" }] }])],
    fromXa((asked) => asked.port === 80),
  ),
  {
    name: "an updated policy",
    steps: [
      { policies: [ingress("x", {}, [{}])], allow: all },
      {
        policies: [ingress("x", {}, [{ ports: [{ port: 81 }] }])],
        allow: (asked) => spaceOf(asked.to) !== "x" || asked.port === 81,
      },
    ],
  },
  {
    name: "an updated namespace",
    steps: [
      {
        policies: [
          ingress("x", pod("a"), [{ from: [{ namespaceSelector: { matchLabels: { ns2: "updated" } } }] }]),
        ],
        allow: toXa(() => false),
      },
      {
        policies: [
          ingress("x", pod("a"), [{ from: [{ namespaceSelector: { matchLabels: { ns2: "updated" } } }] }]),
        ],
        labels: { y: { ns2: "updated" } },
        allow: toXa((asked) => spaceOf(asked.from) === "y"),
      },
    ],
  },
  {
    name: "an updated pod as the client",
    steps: [
      {
        policies: [
          ingress("x", pod("a"), [{ from: [{ podSelector: { matchLabels: { pod2: "updated" } } }] }]),
        ],
        allow: toXa(() => false),
      },
      {
        policies: [
          ingress("x", pod("a"), [{ from: [{ podSelector: { matchLabels: { pod2: "updated" } } }] }]),
        ],
        labels: { "x/b": { pod2: "updated" } },
        allow: toXa((asked) => asked.from === "x/b"),
      },
    ],
  },
  {
    name: "deny to an updated pod",
    steps: [
      { policies: [ingress("x", { matchLabels: { target: "isolated" } }, undefined)], allow: all },
      {
        policies: [ingress("x", { matchLabels: { target: "isolated" } }, undefined)],
        labels: { "x/a": { target: "isolated" } },
        allow: toXa(() => false),
      },
    ],
  },
  one(
    "no ingress from other namespaces",
    [ingress("x", {}, [{ from: [{ podSelector: {} }] }])],
    (asked) => spaceOf(asked.to) !== "x" || spaceOf(asked.from) === "x",
  ),
  one(
    "deny egress by pod selector",
    [egress("x", pod("a"), undefined)],
    fromXa(() => false),
  ),
  one("deny egress of a namespace", [egress("x", {}, undefined)], (asked) => spaceOf(asked.from) !== "x"),
  one(
    "ingress and egress together",
    [
      policy("x", {
        podSelector: pod("a"),
        policyTypes: ["Ingress", "Egress"],
        ingress: [{ from: [{ namespaceSelector: ns("y") }], ports: [{ port: 80 }] }],
        egress: [{ to: [{ namespaceSelector: ns("z") }], ports: [{ port: 81 }] }],
      }),
    ],
    (asked) =>
      (asked.to !== "x/a" || (spaceOf(asked.from) === "y" && asked.port === 80)) &&
      (asked.from !== "x/a" || (spaceOf(asked.to) === "z" && asked.port === 81)),
  ),
  {
    name: "the client's egress wins over the server's ingress",
    steps: [
      {
        policies: [
          egress("x", pod("a"), undefined),
          ingress("y", pod("a"), [{ from: [{ namespaceSelector: ns("x"), podSelector: pod("a") }] }]),
        ],
        allow: (asked) => asked.from !== "x/a" && asked.to !== "y/a",
      },
      {
        policies: [
          egress("x", pod("a"), [{ to: [{ namespaceSelector: ns("y"), podSelector: pod("a") }] }]),
          ingress("y", pod("a"), [{ from: [{ namespaceSelector: ns("x"), podSelector: pod("a") }] }]),
        ],
        allow: (asked) => (asked.from === "x/a") === (asked.to === "y/a"),
      },
    ],
  },
  one(
    "egress to a server in another namespace",
    [egress("x", pod("a"), [{ to: [{ namespaceSelector: ns("y"), podSelector: pod("a") }] }])],
    fromXa((asked) => asked.to === "y/a"),
  ),
  one(
    "any port of one protocol",
    [ingress("x", pod("a"), [{ ports: [{ protocol: "TCP" }] }])],
    toXa((asked) => asked.protocol === "TCP"),
    ["TCP", "UDP", "SCTP"],
  ),
  one(
    "several ingress policies, one allows all",
    [
      ingress("x", {}, [{ from: [{ podSelector: pod("b") }] }]),
      ingress("x", {}, [{}]),
      ingress("x", {}, [{ ports: [{ port: 81 }] }]),
    ],
    all,
  ),
  one(
    "several egress policies, one allows all",
    [
      egress("x", {}, [{ to: [{ podSelector: pod("b") }] }]),
      egress("x", {}, [{}]),
      egress("x", {}, undefined),
    ],
    all,
  ),
  {
    name: "nothing is left after policies are deleted",
    steps: [
      {
        policies: [ingress("x", {}, undefined), egress("x", {}, undefined)],
        allow: (asked) => spaceOf(asked.to) !== "x" && spaceOf(asked.from) !== "x",
      },
      { policies: [], allow: all },
    ],
  },
  one(
    "egress to a range",
    [egress("x", pod("a"), [{ to: both("z/b") }])],
    fromXa((asked) => asked.to === "z/b"),
  ),
  one(
    "egress to a range with an exception",
    [
      egress("x", pod("a"), [
        {
          to: [
            { ipBlock: { cidr: "10.0.0.0/24", except: [`${scenarioIp("z/b")}/32`] } },
            { ipBlock: { cidr: "fd00::/120", except: [`${scenarioIp6("z/b")}/128`] } },
          ],
        },
      ]),
    ],
    fromXa((asked) => asked.to !== "z/b"),
  ),
  {
    name: "a range that overlaps another one's exception",
    steps: [
      {
        policies: [
          egress("x", pod("a"), [
            {
              to: [
                { ipBlock: { cidr: "10.0.0.0/24", except: [`${scenarioIp("z/b")}/32`] } },
                { ipBlock: { cidr: "fd00::/120", except: [`${scenarioIp6("z/b")}/128`] } },
              ],
            },
          ]),
        ],
        allow: fromXa((asked) => asked.to !== "z/b"),
      },
      {
        policies: [
          egress("x", pod("a"), [
            {
              to: [
                { ipBlock: { cidr: "10.0.0.0/24", except: [`${scenarioIp("z/b")}/32`] } },
                { ipBlock: { cidr: "fd00::/120", except: [`${scenarioIp6("z/b")}/128`] } },
              ],
            },
          ]),
          egress("x", pod("a"), [{ to: both("z/b") }]),
        ],
        allow: all,
      },
    ],
  },
  {
    name: "ingress and egress are independent",
    steps: [
      {
        policies: [ingress("x", pod("a"), [{}]), egress("x", pod("a"), undefined)],
        allow: fromXa(() => false),
      },
      {
        policies: [ingress("x", pod("a"), undefined), egress("x", pod("a"), [{}])],
        allow: toXa(() => false),
      },
    ],
  },
  one(
    "a rule for SCTP is none for TCP",
    [ingress("x", pod("a"), [{ ports: [{ protocol: "SCTP", port: 80 }] }])],
    toXa((asked) => asked.protocol === "SCTP" && asked.port === 80),
    ["TCP", "SCTP"],
  ),
  one(
    "a policy about SCTP isolates",
    [ingress("x", pod("a"), [{ ports: [{ protocol: "SCTP", port: 1 }] }])],
    toXa(() => false),
    ["TCP", "UDP", "SCTP"],
  ),
  one(
    "a rule for UDP is none for TCP",
    [ingress("x", pod("a"), [{ ports: [{ protocol: "UDP", port: 81 }] }])],
    toXa((asked) => asked.protocol === "UDP" && asked.port === 81),
    ["TCP", "UDP"],
  ),
  one(
    "the label that every namespace has",
    [
      ingress("x", pod("a"), [
        { from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "y" } } }] },
      ]),
    ],
    toXa((asked) => spaceOf(asked.from) === "y"),
  ),
  one(
    "the same by expressions",
    [
      ingress("x", pod("a"), [
        { from: [{ namespaceSelector: noneOf("kubernetes.io/metadata.name", "x", "z") }] },
      ]),
    ],
    toXa((asked) => spaceOf(asked.from) === "y"),
  ),
  ...(["UDP", "SCTP"] as const).flatMap((protocol): Scenario[] => [
    one(`${protocol}: default deny`, [ingress("x", {}, undefined)], (asked) => spaceOf(asked.to) !== "x", [
      protocol,
    ]),
    one(
      `${protocol}: by port`,
      [ingress("x", pod("a"), [{ from: [{ namespaceSelector: ns("y") }], ports: [{ protocol, port: 81 }] }])],
      toXa((asked) => spaceOf(asked.from) === "y" && asked.port === 81),
      [protocol],
    ),
    one(
      `${protocol}: a pod in another namespace`,
      [
        ingress("x", pod("a"), [
          { from: [{ namespaceSelector: ns("y"), podSelector: pod("a") }], ports: [{ protocol, port: 80 }] },
        ]),
      ],
      toXa((asked) => asked.from === "y/a" && asked.port === 80),
      [protocol],
    ),
  ]),
  one(
    "a range of ports",
    [ingress("x", pod("a"), [{ ports: [{ port: 70, endPort: 80 }] }])],
    toXa((asked) => asked.port === 80),
  ),
];
