import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Addresses, AddressLabel, LinkAddress } from "../kernel.ts";
import { AddressMessage, readAddress, writeAddress, writeAddressQuery } from "../netlink/address.ts";
import { AddressLabelMessage, readAddressLabel, writeAddressLabelQuery } from "../netlink/address-label.ts";
import { newAddress } from "./changes.ts";
import type { Context } from "./context.ts";

export class LinuxAddresses implements Addresses {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  list(linkIndex?: number): LinkAddress[] {
    const attempt = (): string => "list addresses";
    const found: LinkAddress[] = [];
    const { errno, text } = this.#context.route(attempt).dump(
      AddressMessage.get,
      (writer) => writeAddressQuery(writer, linkIndex),
      attempt,
      (message) => {
        const address = readAddress(message);
        // Kernels before 4.20 do not filter by link.
        if (linkIndex === undefined || address.linkIndex === linkIndex) found.push(address);
      },
      () => found.splice(0),
    );
    // No such link: then it has no addresses.
    if (errno === Errno.ENODEV) return [];
    if (errno !== 0) throw refusal(attempt(), errno, text);
    return found;
  }

  labels(): AddressLabel[] {
    const attempt = (): string => "list labels of addresses";
    const found: AddressLabel[] = [];
    const { errno, text } = this.#context.route(attempt).dump(
      AddressLabelMessage.get,
      writeAddressLabelQuery,
      attempt,
      (message) => {
        const label = readAddressLabel(message);
        if (label) found.push(label);
      },
      () => found.splice(0),
    );
    // IPv6 may be off.
    if (errno === Errno.EAFNOSUPPORT || errno === Errno.EOPNOTSUPP) return [];
    if (errno !== 0) throw refusal(attempt(), errno, text);
    return found;
  }

  add(address: LinkAddress): void {
    this.#context.ask(newAddress(address));
  }

  remove(address: LinkAddress): void {
    const attempt = (): string => `remove address ${address.address} from link ${address.linkIndex}`;
    const { errno, text } = this.#context
      .route(attempt)
      .tryRequest(AddressMessage.delete, 0, (writer) => writeAddress(writer, address), attempt);
    // Gone already, or gone with its link.
    if (errno === 0 || errno === Errno.EADDRNOTAVAIL || errno === Errno.ENODEV) return;
    throw refusal(attempt(), errno, text);
  }
}
