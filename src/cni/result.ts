// Results of ADD: written in the newest version and converted down, because every older one says less.
import type { CniFailure, CniResult, ResultInterface, ResultIp, ResultRoute } from "./spec.ts";
import { atLeast, type CniVersion } from "./versions.ts";

/** Returns the result as that version of the specification writes it; fields it does not know are left out. */
export function convertResult(result: CniResult, version: CniVersion): CniResult {
  const full = atLeast(version, "1.1.0");
  return {
    cniVersion: version,
    ...(result.interfaces && {
      interfaces: full ? result.interfaces : result.interfaces.map(olderInterface),
    }),
    ...(result.ips && { ips: result.ips.map((ip) => convertIp(ip, version)) }),
    ...(result.routes && { routes: full ? result.routes : result.routes.map(olderRoute) }),
    dns: result.dns ?? {},
  };
}

function convertIp(ip: ResultIp, version: CniVersion): ResultIp {
  const { version: _, ...rest } = ip;
  // 1.0.0 dropped the family, which the address itself tells.
  return atLeast(version, "1.0.0") ? rest : { version: ip.address.includes(":") ? "6" : "4", ...rest };
}

function olderInterface({ name, mac, sandbox }: ResultInterface): ResultInterface {
  return { name, ...(mac !== undefined && { mac }), ...(sandbox !== undefined && { sandbox }) };
}

function olderRoute({ dst, gw }: ResultRoute): ResultRoute {
  return gw === undefined ? { dst } : { dst, gw };
}

/**
 * Appends our result to that of the plugins before us: they come first, and our addresses' interface indexes move up
 * by the number of theirs.
 */
export function extendResult(previous: CniResult | undefined, ours: CniResult): CniResult {
  if (previous === undefined) return ours;
  const offset = previous.interfaces?.length ?? 0;
  const dns = previous.dns ?? ours.dns;
  return {
    cniVersion: ours.cniVersion,
    interfaces: [...(previous.interfaces ?? []), ...(ours.interfaces ?? [])],
    ips: [
      ...(previous.ips ?? []),
      ...(ours.ips ?? []).map((ip) =>
        ip.interface === undefined ? ip : { ...ip, interface: ip.interface + offset },
      ),
    ],
    routes: [...(previous.routes ?? []), ...(ours.routes ?? [])],
    ...(dns && { dns }),
  };
}

/** Returns the text of the error object that goes to standard output. */
export function failureText(failed: CniFailure, cniVersion: string): string {
  return `${JSON.stringify({ cniVersion, ...failed }, undefined, 4)}\n`;
}
