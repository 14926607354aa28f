// What kubectl prints of Trunkline's kinds (additionalPrinterColumns). Columns of priority 1 appear with -o wide.
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly jsonPath: string;
  readonly priority?: number;
}

const column = (name: string, jsonPath: string, type: PrinterColumn["type"] = "string"): PrinterColumn => ({
  name,
  type,
  jsonPath,
});
const wide = (one: PrinterColumn): PrinterColumn => ({ ...one, priority: 1 });
const age = column("Age", ".metadata.creationTimestamp", "date");

const columns: Readonly<Record<string, readonly PrinterColumn[]>> = {
  IPPool: [
    column("CIDR", ".spec.cidr"),
    column("BlockSize", ".spec.blockSize", "integer"),
    column("NAT", ".spec.natOutgoing", "boolean"),
    column("Disabled", ".spec.disabled", "boolean"),
    age,
    wide(column("IPIP", ".spec.ipipMode")),
    wide(column("VXLAN", ".spec.vxlanMode")),
    wide(column("Selector", ".spec.nodeSelector")),
  ],
  AddressBlock: [
    column("CIDR", ".spec.cidr"),
    column("Node", ".spec.node"),
    column("Pool", ".spec.pool"),
    column("State", ".spec.state"),
    column("Used", ".status.used", "integer"),
    column("Free", ".status.free", "integer"),
    age,
    wide(column("Cooling", ".status.cooling", "integer")),
  ],
  SourceNAT: [
    column("Priority", ".spec.priority", "integer"),
    column("Actions", ".spec.rules[*].action.type"),
    column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
    age,
    wide(column("Holders", ".status.holders[*].node")),
  ],
  AddressList: [
    column("To", ".spec.to"),
    column("Revision", ".status.revision", "integer"),
    column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
    age,
    wide(column("Reason", '.status.conditions[?(@.type=="Ready")].reason')),
  ],
  Host: [column("Role", ".spec.role"), column("Addresses", ".spec.addresses"), age],
  BGPPeer: [
    column("Peer", ".spec.peerIP"),
    column("AS", ".spec.asNumber"),
    age,
    wide(column("Node", ".spec.node")),
    wide(column("NodeSelector", ".spec.nodeSelector")),
  ],
  BGPConfiguration: [
    column("AS", ".spec.asNumber"),
    column("Mesh", ".spec.nodeToNodeMeshEnabled", "boolean"),
    age,
  ],
  RoutingConfiguration: [column("Protocols", ".spec.protocols"), age],
  Subnet: [column("CIDR", ".spec.cidr"), column("Zone", ".spec.zone"), age],
};

/** Returns a kind's columns beside its name. */
export function printerColumns(kind: string): readonly PrinterColumn[] {
  return columns[kind] ?? [age];
}
