interface Named {
  readonly kind: string;
  /** `namespace/name`, or the name alone. */
  readonly key: string;
}

export const storeMessages = {
  "store.exists": (d: Named) => `${d.kind} ${d.key} exists already`,
  "store.not-found": (d: Named) => `${d.kind} ${d.key} does not exist`,
  "store.conflict": (d: Named & { why: string }) =>
    `${d.kind} ${d.key} was changed by somebody else in the meantime: ${d.why}`,
  // In the words of Kubernetes, which people search for.
  "store.forbidden": (d: { plural: string; name: string }) =>
    `${d.plural} "${d.name}" is forbidden: this namespace may not be deleted`,
  "store.gone": (d: { from: string }) =>
    `The history of changes after revision ${d.from} is no longer kept; list the objects again`,
  "store.name": (d: { kind: string; why: string }) => `A ${d.kind} cannot be stored: ${d.why}`,
  "store.closed": (d: { place: string }) => `The store (${d.place}) is closed`,
  "store.layout": (d: { found: number; known: number }) =>
    `its tables are of layout ${d.found}, this version knows layout ${d.known}`,
  "store.open": (d: { path: string; why: string }) => `The store ${d.path} cannot be opened: ${d.why}`,
  "store.damaged": (d: { place: string; why: string }) =>
    `The store (${d.place}) is damaged: ${d.why}; nothing is done by what is left of it: put a copy in its place`,
  "store.unreachable": (d: { place: string; why: string }) =>
    `The store (${d.place}) does not answer: ${d.why}`,
  "store.too-large": (d: { why: string }) => `The object is too large for the store: ${d.why}`,
  "store.refused": (d: { place: string; why: string }) => `The store (${d.place}) refuses: ${d.why}`,
  "store.tls": (d: { path: string; why: string }) =>
    `The certificate file ${d.path} cannot be read: ${d.why}`,
  "store.access": (d: { file: string; why: string }) =>
    `The cluster cannot be reached by ${d.file}: ${d.why}`,
  "store.unserved": (d: { kind: string; apiVersion: string }) =>
    `The server has no ${d.kind} (${d.apiVersion}); apply what 'trunkline manifests' prints`,
};
