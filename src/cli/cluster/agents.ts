// Questions to agents of a cluster from anywhere: by what Kubernetes lets the user do (pods/exec), the agent's own container
// asks the agent's socket.
import type { Pod } from "../../api/kinds/core.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Access } from "../../store/kubernetes/access.ts";
import { ApiClient } from "../../store/kubernetes/client.ts";
import { execInPod } from "../../store/kubernetes/exec.ts";

/** Asks the agent of a node; settles with what it says. @throws `cli.no-agent`, `cli.agent-answer`, `store.…` */
export type AskNode = (node: string, path: string) => Promise<string>;

/** Where the DaemonSet's agents serve what only root may ask (src/cli/deploy/workloads.ts). */
export const privateSocket = "/run/trunkline/health.sock";

/** Returns who asks agents, and how to stop. */
export function agentsOf(access: Access, pods: Iterable<Pod>): { ask: AskNode; close(): void } {
  const client = new ApiClient(access);
  const agents = new Map([...pods].filter(isAgent).map((pod) => [pod.spec.nodeName, pod]));
  const ask: AskNode = async (node, path) => {
    const agent = agents.get(node);
    if (!agent) throw new TrunklineError("cli.no-agent", { node });
    const { name, namespace = "" } = agent.metadata;
    const command = ["/usr/bin/trunkline", "ask-agent", path];
    try {
      const said = await execInPod(client, { namespace, pod: name, container: "agent", command });
      if (said.code === 0) return said.stdout;
      throw new TrunklineError("cli.agent-said", { node, said: said.stderr.trim() });
    } catch (error) {
      // No right to it, no such container, a kubelet that does not answer, a stream that breaks off.
      if (error instanceof TrunklineError) throw error;
      throw new TrunklineError("cli.agent-said", { node, said: textOf(error) }, { cause: error });
    }
  };
  return { ask, close: () => client.close() };
}

/** The labels alone could be anybody's. */
function isAgent({ metadata }: Pod): boolean {
  return (
    metadata.labels?.["app.kubernetes.io/name"] === "trunkline" &&
    metadata.labels["app.kubernetes.io/component"] === "agent" &&
    metadata.ownerReferences?.some(
      ({ kind, name, controller }) => kind === "DaemonSet" && name === "trunkline-agent" && controller,
    ) === true
  );
}
