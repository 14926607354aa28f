// What many parts of a lab file are written with: names, addresses and ranges.
import * as z from "zod";
import { formatIp, parseCidr, tryParseCidr, tryParseIp } from "../../base/ip.ts";

export const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/, {
  error: "must be 1 to 40 small letters, digits or '-', and begin and end with a letter or digit",
});

export const address = z
  .string()
  .refine((text) => tryParseIp(text) !== undefined, { error: "must be an IP address" })
  // One way of writing it, so that texts can be compared.
  .transform((text) => {
    const ip = tryParseIp(text);
    return ip ? formatIp(ip) : text;
  });

export const cidr = z.string().refine((text) => tryParseCidr(text) !== undefined, {
  error: (issue) => whyNotRange(String(issue.input)),
});

function whyNotRange(text: string): string {
  try {
    parseCidr(text);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}
