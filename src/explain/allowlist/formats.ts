// A list of ranges in the words of who admits them. Pure. Each form has one range a line where its reader allows it, so that
// a change of one range is a change of one line.
import { formatCidr, rangeToCidrs, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { Allowlist } from "./allowlist.ts";

export const listForms = ["csv", "pg_hba", "nginx", "haproxy", "nft", "terraform"] as const;
export type ListForm = (typeof listForms)[number];

type Listed = Pick<Allowlist, "to" | "for" | "ranges" | "sources">;

/** Returns the list as that reader takes it, with a last line end. */
export function listText(list: Listed, form: ListForm): string {
  return `${writers[form](list).join("\n")}\n`;
}

const writers: Readonly<Record<ListForm, (list: Listed) => string[]>> = {
  /** RFC 4180, but for the line ends, which are those of all the others. */
  csv: ({ sources }) => ["range,why", ...sources.map(({ range, why }) => `${field(range)},${field(why)}`)],
  /** pg_hba.conf: addresses as type, database, user, address, method. */
  pg_hba: (list) => [heading(list), ...cidrsOf(list).map((cidr) => `host all all ${cidr} scram-sha-256`)],
  /** ngx_http_access_module: the first that fits decides. */
  nginx: (list) => [heading(list), ...cidrsOf(list).map((cidr) => `allow ${cidr};`), "deny all;"],
  /** A file for `acl … src -f FILE`. */
  haproxy: (list) => [heading(list), ...cidrsOf(list)],
  /** Variables to include; a family without ranges has none, since nft knows no empty set. */
  nft: (list) => [heading(list), ...nftLines("4", list), ...nftLines("6", list)],
  /** A variable for a .tfvars file. */
  terraform: (list) => [
    heading(list),
    "allowlist = [",
    ...cidrsOf(list).map((cidr) => `  ${JSON.stringify(cidr)},`),
    "]",
  ],
};

function heading({ to, for: whom }: Listed): string {
  return `# ${oneLine(`what ${to} must admit for ${whom ?? "all pods"}`)}`;
}

/** Names of objects are not ours to trust: none may end the comment. */
function oneLine(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?");
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A range `FIRST-LAST`, from which the kernel picks an address, becomes the prefixes that are exactly it. */
function cidrsOf({ ranges }: Pick<Listed, "ranges">): string[] {
  return ranges.flatMap((text) => {
    if (tryParseCidr(text) !== undefined) return [text];
    const [first, last] = text.split("-").map((part) => tryParseIp(part));
    if (first === undefined || last === undefined || first.family !== last.family) return [];
    return rangeToCidrs({ family: first.family, first: first.value, last: last.value }).map(formatCidr);
  });
}

function nftLines(family: "4" | "6", list: Listed): string[] {
  const mine = list.ranges.filter((range) => range.includes(":") === (family === "6"));
  return mine.length === 0
    ? []
    : [`define allowlist${family} = {`, ...mine.map((range) => `  ${range},`), "}"];
}
