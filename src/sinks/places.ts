// Which sinks are on a machine.
import type { AddressListSink } from "../api/kinds/address-list.ts";
import type { Node } from "../api/kinds/core.ts";
import { matchesSelector } from "../api/selectors/selectors.ts";

export const isAtController = ({ host, nodes }: AddressListSink): boolean =>
  host === undefined && nodes === undefined;

export function isAtHost(name: string): (sink: AddressListSink) => boolean {
  return ({ host }) => host === name;
}

/** @param node the node's object as it is now */
export function isAtNode(node: () => Node | undefined): (sink: AddressListSink) => boolean {
  return ({ nodes }) => {
    const object = nodes && node();
    return object !== undefined && nodes !== undefined && matchesSelector(nodes, object.metadata.labels);
  };
}
