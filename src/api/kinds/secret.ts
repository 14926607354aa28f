// Secrets, as far as a pod network reads them: passwords of routing protocols.
import type { Kind, KubeObject } from "../object.ts";

export interface Secret extends KubeObject {
  readonly kind: "Secret";
  readonly type?: string;
  readonly immutable?: boolean;
  /** base64 */
  readonly data?: Readonly<Record<string, string>>;
  /** Plain text; the store keeps it as `data`. */
  readonly stringData?: Readonly<Record<string, string>>;
}
export const secretKind: Kind<Secret> = {
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  shortNames: [],
  namespaced: true,
};

/** Returns the text of a key, or undefined if the Secret has no such key. */
export function secretText(secret: Secret, key: string): string | undefined {
  const plain = secret.stringData?.[key];
  if (plain !== undefined) return plain;
  const encoded = secret.data?.[key];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString();
}

const MASK = "********";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Returns an object fit to be shown: of a Secret only the names of its keys. */
export function shown<T extends KubeObject>(object: T): T {
  if (object.kind !== "Secret" || object.apiVersion !== secretKind.apiVersion) return object;
  const { data, stringData, ...rest } = object as unknown as Secret;
  const hidden = (map: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.keys(map).map((key) => [key, MASK]));
  // What was applied is kept in an annotation, passwords and all.
  const { [LAST_APPLIED]: _applied, ...annotations } = rest.metadata.annotations ?? {};
  const { annotations: _all, ...metadata } = rest.metadata;
  const masked: Secret = {
    ...rest,
    metadata: { ...metadata, ...(Object.keys(annotations).length > 0 && { annotations }) },
    ...(data && { data: hidden(data) }),
    ...(stringData && { stringData: hidden(stringData) }),
  };
  return masked as unknown as T;
}
