// Services as columns of a matrix. Where something is known of the cluster that runs, each cell is the answer that explain
// gives; of manifests alone, what policies say of the pods that the Service selects.
import type { Pod } from "../../api/kinds/core.ts";
import { isTerminal } from "../../api/kinds/core.ts";
import type { Service } from "../../api/kinds/service.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import { type End, podEnd } from "../ends.ts";
import { verdictOf } from "../explain.ts";
import type { Judges } from "../judges/judge.ts";
import { declaredPorts } from "../manifests/workloads.ts";
import type { Against, Behind, ServiceColumn } from "../matrix/matrix.ts";
import { formatPort, type Port } from "../ports.ts";
import { explainService } from "./explain-service.ts";
import { namedFrontend } from "./frontend.ts";
import { keyOfService, portsOfService, type ReadPort } from "./read.ts";
import type { ServiceExplanation } from "./types.ts";

interface Scope {
  readonly facts: ClusterFacts;
  readonly objects: ServiceObjects;
  /** undefined: all. */
  readonly namespaces: ReadonlySet<string> | undefined;
  /** undefined: all that Services have. */
  readonly ports: readonly Port[] | undefined;
}

/** Returns the Services of a cluster that runs as columns. */
export function liveColumns(scope: Scope, judges: Judges): ServiceColumn[] {
  const { facts, objects } = scope;
  return columns(scope, (service, port) => ({
    against: (from) => againstOf(() => answer(facts, judges, objects, from, service, port)),
  }));
}

/** Returns the Services that manifests describe as columns: their endpoints will be the pods that they select. */
export function manifestColumns(scope: Scope): ServiceColumn[] {
  return columns(scope, (service, port) => ({ behind: behindOf(scope.facts, service, port) }));
}

type Asked = Pick<ServiceColumn["asked"][number], "against" | "behind">;

function columns({ objects, namespaces, ports }: Scope, of: (service: Service, port: ReadPort) => Asked) {
  const wanted = ports && new Set(ports.map(formatPort));
  return [...objects.services.values()]
    .filter((service) => service.spec?.type !== "ExternalName")
    .filter(({ metadata }) => namespaces?.has(metadata.namespace ?? "") ?? true)
    .toSorted((a, b) => (keyOfService(a) < keyOfService(b) ? -1 : 1))
    .map((service): ServiceColumn => {
      const own = portsOfService(service).filter((port) => wanted?.has(formatPort(port)) ?? true);
      const to: End = { type: "address", name: `service/${keyOfService(service)}`, addresses: [] };
      const asked = own.map((port) => ({
        port: { port: port.port, protocol: port.protocol },
        ...of(service, port),
      }));
      return { to, asked };
    });
}

function answer(
  facts: ClusterFacts,
  judges: Judges,
  objects: ServiceObjects,
  from: End,
  service: Service,
  { name, port, protocol }: ReadPort,
): ServiceExplanation {
  const families = from.addresses.map((address) => (address.includes(":") ? (6 as const) : (4 as const)));
  const { namespace = "default" } = service.metadata;
  // By its name, as names of headless Services lead to where the endpoints listen.
  const asked = name === "" ? { port, protocol } : name;
  const front = namedFrontend(objects, service.metadata.name, namespace, asked, families);
  return explainService(facts, judges, objects, from, front);
}

function againstOf(ask: () => ServiceExplanation): Against | undefined {
  let said: ServiceExplanation;
  try {
    said = ask();
  } catch (error) {
    if (!(error instanceof TrunklineError)) throw error;
    return { allowed: null, by: { by: "unknown", reason: error.message } };
  }
  const verdict = verdictOf(said);
  if (verdict === "yes") return undefined;
  const [reason = ""] = said.unknown ?? said.reasons;
  if (verdict === "unknown") return { allowed: null, by: { by: "unknown", reason } };
  const side = (["egress", "ingress"] as const).find((one) => said[one].allowed === false);
  const policy = side && said[side].policy;
  return { allowed: false, by: { by: side ?? "route", ...(policy !== undefined && { policy }), reason } };
}

/** Returns the pods that a Service selects, with the port that each is asked for. */
function behindOf(facts: ClusterFacts, service: Service, port: ReadPort): readonly Behind[] {
  return selectedPods(facts, service).flatMap((pod) => {
    const { targetPort = port.port } = port;
    if (typeof targetPort === "number")
      return { to: podEnd(pod), port: { ...asPort(port), port: targetPort } };
    const named = declaredPorts(pod.spec).find(
      ({ name, protocol }) => name === targetPort && protocol === port.protocol,
    );
    return named ? { to: podEnd(pod), port: { ...asPort(port), port: named.containerPort } } : [];
  });
}

function asPort({ port, protocol }: ReadPort): Port {
  return { port, protocol };
}

/** Returns the pods that a Service's selector means; none where it has no selector. */
export function selectedPods({ pods }: Pick<ClusterFacts, "pods">, { metadata, spec }: Service): Pod[] {
  const selector = spec?.selector;
  if (selector === undefined || Object.keys(selector).length === 0) return [];
  return [...pods.values()].filter(
    (pod) =>
      pod.metadata.namespace === (metadata.namespace ?? "default") &&
      !isTerminal(pod) &&
      matchesSelector({ matchLabels: selector }, pod.metadata.labels),
  );
}
