// How a node is to find its own address: the words of RoutingConfiguration `spec.nodeAddress`, which are Calico's of
// IP_AUTODETECTION_METHOD.
import { type Cidr, type Family, formatIp, tryParseCidr, tryParseIp } from "../base/ip.ts";

export const USUAL_METHOD = "kubernetes-internal-ip";

/** What a method says, read. */
export type DetectionMethod =
  | { readonly kind: "first-found" | "kubernetes-internal-ip" | "none" }
  | { readonly kind: "interface" | "skip-interface"; readonly patterns: readonly RegExp[] }
  | { readonly kind: "can-reach"; readonly address: string }
  | { readonly kind: "cidr"; readonly ranges: readonly Cidr[] };

type Read = DetectionMethod | { readonly wrong: string };

/** Reads a method. Whatever is not right in it is told in words that follow the field's name. */
export function readMethod(text: string, family: Family): Read {
  const [name = "", ...rest] = text.split("=");
  const argument = rest.join("=");
  const list = argument.split(",").map((one) => one.trim());
  switch (name) {
    case "first-found":
    case "kubernetes-internal-ip":
    case "none":
      return rest.length === 0 ? { kind: name } : { wrong: `'${name}' takes nothing behind it` };
    case "interface":
    case "skip-interface":
      return readPatterns(name, list);
    case "can-reach": {
      const ip = tryParseIp(argument.trim());
      if (!ip)
        return {
          wrong:
            argument.trim() === ""
              ? "lacks the address behind 'can-reach='"
              : `'${argument}' is not an address (names are not resolved)`,
        };
      if (ip.family !== family) return { wrong: `needs an IPv${family} address; it is ${argument}` };
      return { kind: "can-reach", address: formatIp(ip) };
    }
    case "cidr":
      return readRanges(list, family);
    default:
      return {
        wrong:
          `must be first-found, interface=REGEX, skip-interface=REGEX, can-reach=ADDRESS, cidr=LIST, ` +
          `kubernetes-internal-ip or none; it is '${text}'`,
      };
  }
}

function readPatterns(kind: "interface" | "skip-interface", list: readonly string[]): Read {
  const patterns: RegExp[] = [];
  for (const one of list) {
    if (one === "") return { wrong: "holds an empty pattern" };
    try {
      patterns.push(new RegExp(one));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return { wrong: `'${one}' is not a regular expression` };
    }
  }
  return { kind, patterns };
}

function readRanges(list: readonly string[], family: Family): Read {
  const ranges: Cidr[] = [];
  for (const one of list) {
    const range = tryParseCidr(one);
    if (!range) return { wrong: `'${one}' is not a range` };
    if (range.family !== family) return { wrong: `needs IPv${family} ranges; ${one} is none` };
    ranges.push(range);
  }
  return { kind: "cidr", ranges };
}
