// Settings of a link as its own message tells them (IFLA_AF_SPEC): of a dump of all links no file has to be opened for them.
import type { LinkSettings } from "../kernel.ts";
import { AF_INET, AF_INET6 } from "./bytes.ts";
import { Attributes, type Message } from "./message.ts";

const IFLA_AF_SPEC = 26;
const IFLA_INET_CONF = 1;
const IFLA_INET6_CONF = 2;
/** struct ifinfomsg. */
const HEAD = 16;

/** Places in the array of 32 bit numbers: IPV4_DEVCONF_… less one (linux/ip.h). */
const places4 = { forwarding: 0, proxy_arp: 2, rp_filter: 7 };
/** DEVCONF_… (linux/ipv6.h). */
const places6 = { accept_ra: 3, proxy_ndp: 22, disable_ipv6: 26, accept_dad: 27 };

const attributes = new Attributes();
const families = new Attributes();
const family = new Attributes();

/** Which settings are read, by family. */
export const linkSettingNames = { 4: Object.keys(places4), 6: Object.keys(places6) } as const;

/** Reads the settings out of a link message. */
export function readLinkSettings({ bytes, from, to }: Message): LinkSettings {
  attributes.read(bytes, from + HEAD, to);
  const spec = attributes.nested(IFLA_AF_SPEC, families);
  return {
    4: read(spec?.nested(AF_INET, family)?.view(IFLA_INET_CONF), places4),
    6: read(spec?.nested(AF_INET6, family)?.view(IFLA_INET6_CONF), places6),
  };
}

function read(values: Buffer | undefined, places: Readonly<Record<string, number>>): Record<string, string> {
  const found: Record<string, string> = {};
  if (values === undefined) return found;
  for (const [name, place] of Object.entries(places))
    if (values.length >= place * 4 + 4) found[name] = String(values.readInt32LE(place * 4));
  return found;
}
