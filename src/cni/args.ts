// CNI_ARGS: `KEY=VALUE` pairs separated by semicolons. Kubernetes names the pod in them.

export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  /** Empty where the runtime does not say. */
  readonly uid: string;
}

const objectName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Returns the pod that the runtime names, or undefined where it names none (or none that could exist). */
export function podOf(args: string): PodIdentity | undefined {
  const values = new Map<string, string>();
  for (const pair of args.split(";")) {
    const at = pair.indexOf("=");
    if (at > 0) values.set(pair.slice(0, at), pair.slice(at + 1));
  }
  const namespace = values.get("K8S_POD_NAMESPACE") ?? "";
  const name = values.get("K8S_POD_NAME") ?? "";
  const uid = values.get("K8S_POD_UID") ?? "";
  if (!objectName.test(namespace) || !objectName.test(name)) return undefined;
  return { namespace, name, uid: /^[a-zA-Z0-9-]{0,64}$/.test(uid) ? uid : "" };
}
