export const sinkMessages = {
  "sinks.path": (d: { path: string; why: string }) => `${d.path} cannot be written: ${d.why}`,
  "sinks.folder": (d: { path: string; folders: readonly string[] }) =>
    d.folders.length === 0
      ? `${d.path} is not written: this process writes nothing on its machine; start it with --sink-folder FOLDER`
      : `${d.path} is not in a folder that this process may write to (--sink-folder ${d.folders.join(", ")})`,
  "sinks.rival": (d: { list: string; sink: string }) =>
    `sink ${d.sink} of AddressList ${d.list} is written to the same place, and one would replace what the other has put there`,
  "sinks.markers": (d: { path: string; begin: string; end: string }) =>
    `${d.path} is left alone: of the lines '${d.begin}' and '${d.end}' each must stand there once, in this order, or neither`,
  "sinks.broken": (d: { path: string; errors: string }) =>
    `${d.path} is left alone: the server finds errors in it that are not ours: ${d.errors}`,
  "sinks.refused": (d: { what: string; why: string }) => `${d.what} does not take the list: ${d.why}`,
  "sinks.not-running": (d: { what: string; why: string }) => `${d.what} does not run: ${d.why}`,
  "sinks.nft-set": (d: { family: string; table: string; set: string; type: string }) =>
    `there is no set '${d.set}' of ranges in table ${d.family} ${d.table}; make it: nft add set ${d.family} ${d.table} ${d.set} '{ type ${d.type}; flags interval; }'`,
  "sinks.invalid": (d: { name: string; why: string }) => `nothing is done for sink '${d.name}': ${d.why}`,
  "sinks.bad-range": (d: { range: string }) =>
    `the list holds '${d.range}', which is no address and no range: nothing is written until the controller has written the list anew`,
  "sinks.no-type": (d: { name: string }) =>
    `sink '${d.name}' is of no kind that this version knows: a newer one wrote it`,
};
