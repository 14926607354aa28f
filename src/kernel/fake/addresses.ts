import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Addresses, AddressLabel, LinkAddress } from "../kernel.ts";
import { addressText, prefixOf } from "../netlink/bytes.ts";
import type { FakeContext } from "./context.ts";
import { addAddress, removeAddress } from "./link-life.ts";

export class FakeAddresses implements Addresses {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  list(linkIndex?: number): LinkAddress[] {
    const { addresses } = this.#context.namespace("list addresses");
    return addresses.filter((one) => linkIndex === undefined || one.linkIndex === linkIndex);
  }

  labels(): AddressLabel[] {
    this.#context.namespace("list labels of addresses");
    return [];
  }

  add(address: LinkAddress): void {
    const attempt = `add address ${address.address} to link ${address.linkIndex}`;
    const home = this.#context.change("addresses.add", attempt);
    const text = canonical(address.address);
    if (text.includes(":") && !this.#context.machine.ipv6) throw refusal(attempt, Errno.EAFNOSUPPORT);
    if (!home.links.has(address.linkIndex)) throw refusal(attempt, Errno.ENODEV);
    if (home.addresses.some((one) => one.linkIndex === address.linkIndex && one.address === text)) {
      throw refusal(attempt, Errno.EEXIST);
    }
    addAddress(home, { ...address, address: text });
  }

  remove(address: LinkAddress): void {
    const attempt = `remove address ${address.address} from link ${address.linkIndex}`;
    const home = this.#context.change("addresses.remove", attempt);
    const text = canonical(address.address);
    const found = home.addresses.find((one) => one.linkIndex === address.linkIndex && one.address === text);
    if (found) removeAddress(home, found);
  }
}

function canonical(text: string): string {
  const prefix = prefixOf(text);
  return `${addressText(prefix.bytes)}/${prefix.length}`;
}
