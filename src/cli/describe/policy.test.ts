import { expect, it } from "vitest";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import { lines } from "./lines.ts";
import { policyLines } from "./policy.ts";

const policy = (spec: NetworkPolicy["spec"]): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "p", namespace: "data", uid: "", resourceVersion: "", creationTimestamp: "" },
  spec,
});
const text = (spec: NetworkPolicy["spec"]) => lines(policyLines(policy(spec)));

it("says that a list item of its own is a rule of its own", () => {
  const from = [{ podSelector: { matchLabels: { role: "nginxclient" } } }];
  expect(
    text({ podSelector: { matchLabels: { app: "nginx" } }, ingress: [{ from }, { ports: [{ port: 80 }] }] }),
  ).toBe(
    `Selects:        pods of data with app=nginx
Types:          Ingress
Ingress:        rule 0: allows all ports from pods with role=nginxclient of the same namespace
                rule 1: allows 80/TCP from everywhere
Egress:         not isolated by this policy`,
  );
});

it("tells no rules from no isolation, and names every form of peer and port", () => {
  const to = [
    { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
    { namespaceSelector: {}, podSelector: {} },
    { namespaceSelector: { matchLabels: { team: "x" } } },
  ];
  const ports = [{ protocol: "UDP" as const }, { port: 80, endPort: 90 }, { port: "web" }];
  const told = text({ policyTypes: ["Ingress", "Egress"], egress: [{ to, ports }] });
  expect(told).toContain("Selects:        all pods of data");
  expect(told).toContain("Ingress:        nothing is allowed");
  expect(told).toContain(
    "all UDP ports, 80-90/TCP, web/TCP to 10.0.0.0/8 except 10.1.0.0/16, or all pods of all namespaces, or all pods of namespaces with team=x",
  );
});

it("says what of a policy is invalid, of whatever shape it is", () => {
  const told = text({ ingress: [null, { from: [{}] }] } as unknown as NetworkPolicy["spec"]);
  expect(told).toContain("rule 1: allows all ports from nobody");
  expect(told).toContain("Invalid:        a rule must be an object; it matches nothing (at spec.ingress[0])");
  expect(told).toContain("a peer must be specified; it matches nothing (at spec.ingress[1].from[0])");
});

it("tells what is enforced where it cannot be told what was meant", () => {
  const told = text({
    podSelector: { matchLabels: { app: "web" }, matchExpressions: [{ key: "a", operator: "Gt" }] },
    policyTypes: ["Ingress", "Egres"],
    ingress: [{}],
  } as unknown as NetworkPolicy["spec"]);
  expect(told).toContain("Selects:        pods of data with app in (web)\n");
  expect(told).toContain("Types:          Ingress, Egress\nIngress:        nothing is allowed\n");
  expect(told).toContain("'Gt' is not an operator of selectors; every pod that it could mean is isolated");
});
