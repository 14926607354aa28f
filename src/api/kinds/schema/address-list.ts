// Schema of AddressList. What stands in it reaches servers' configurations and the firewall's commands: every text has a
// grammar in which nothing can end a word, a line or a string.
import * as z from "zod";
import {
  complain,
  duration as goDuration,
  keyedList,
  list,
  portNumber,
  readAddress,
  readRange,
  text,
  whole,
  word,
} from "../../forms.ts";
import { boundedSelector, conditions, fields, metadata, objectName, schemaOf } from "../../schema.ts";
import { cel, matches, tell } from "../../told.ts";
import { whyNotLabelValue } from "../../words.ts";
import { type AddressList, listFileForms, sinkTypes } from "../address-list.ts";

const sinkForm = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const sinkName = tell(
  text("addresslist.sink-name", (value) => (value === "" ? "must not be empty" : whyNotLabelValue(value))),
  {
    maxLength: 63,
    rules: [
      {
        rule: matches(sinkForm),
        message:
          "must consist of letters, digits, '-', '_' and '.', and begin and end with a letter or digit",
      },
    ],
  },
);

const pathForm = /^[\w./@+-]+$/;
const longestPath = 1024;
const oddParts = /(^|\/)\.{1,2}(\/|$)|\/\/|\/$/;

/** An absolute path of plain letters, which means the same in every configuration. */
const filePath = tell(
  text("addresslist.path", (value) => {
    if (value.length > longestPath) return `is longer than ${longestPath} characters`;
    if (!value.startsWith("/")) return `'${value}' is not an absolute path`;
    if (!pathForm.test(value)) return `'${value}' may hold letters, digits and ./_@+- only`;
    return oddParts.test(value) ? `'${value}' must be written without '.', '..' and empty parts` : undefined;
  }),
  {
    maxLength: longestPath,
    rules: [
      {
        rule: `self.startsWith('/') && ${matches(pathForm)} && !${matches(oddParts)}`,
        message: "must be an absolute path of letters, digits and ./_@+- without '.', '..' and empty parts",
      },
    ],
  },
);

const duration = goDuration(
  "addresslist.duration",
  { least: 0, most: 3600 },
  "must be a duration such as 20s or 1m30s, between 0s and 1h",
);

const nftForm = /^[A-Za-z][\w./-]{0,127}$/;
const nftName = tell(
  text("addresslist.nft-name", (value) => {
    if (!nftForm.test(value)) return `'${value}' is not the name of a table or set`;
    return value === "trunkline" ? "cannot be 'trunkline': that table is Trunkline's own" : undefined;
  }),
  {
    maxLength: 128,
    rules: [
      { rule: matches(nftForm), message: "is not the name of a table or set" },
      { rule: "self != 'trunkline'", message: "cannot be 'trunkline': that table is Trunkline's own" },
    ],
  },
);
const hbaWord = word(
  "addresslist.hba-word",
  /^[A-Za-z_][\w.-]{0,62}$/,
  63,
  "may hold letters, digits and _.- only",
);
const mapValue = word(
  "addresslist.map-value",
  /^[\w.:/-]{1,128}$/,
  128,
  "may hold letters, digits and _.:/- only",
);
const workload = word(
  "addresslist.workload",
  /^[A-Za-z]+\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/,
  320,
  "is not KIND/NAME, such as deployment/web",
);

/** `KIND/NAME`, `KIND/NAMESPACE/NAME` */
const thing = /^[A-Za-z]+(\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?){1,2}$/;
const portBehind = /:[0-9]{1,5}(\/([tT][cC][pP]|[uU][dD][pP]|[sS][cC][tT][pP]))?$/;
const longestDestination = 640;
const aDestination =
  "is not host/NAME, KIND/NAME, an address or a range such as 10.0.0.0/24, with :PORT or without";

/** `host/NAME`, `KIND/NAME`, `KIND/NAMESPACE/NAME`, an address, or a range; the first ones with a port, or without. */
const destination = tell(
  text("addresslist.to", (value) => {
    if (value.length > longestDestination) return `is longer than ${longestDestination} characters`;
    if (readAddress(value) || readRange(value)) return undefined;
    const behind = portBehind.exec(value)?.[0] ?? "";
    const port = Number(/\d+/.exec(behind)?.[0] ?? 1);
    if (port < 1 || port > 65_535) return `the port of '${value}' must be between 1 and 65535`;
    const end = value.slice(0, value.length - behind.length);
    const bare = /^\[(.*)\]$/.exec(end)?.[1] ?? end;
    return readAddress(bare) || thing.test(end) ? undefined : `'${value}' ${aDestination}`;
  }),
  {
    maxLength: longestDestination,
    rules: [
      {
        rule:
          `isIP(self) || ${cel.range("self")} || [self.find(${JSON.stringify(portBehind.source)})].all(p,` +
          ` (p == '' || ${cel.whole("p.find('[0-9]+')", 1, 65_535)}) && [self.substring(0, size(self) - size(p))].all(e,` +
          ` isIP(e) || ${matches(thing, "e")} || (e.startsWith('[') && e.endsWith(']') && isIP(e.substring(1, size(e) - 1)))))`,
        message: aDestination,
      },
    ],
  },
);

const loopback = /127\.0\.0\.1|\[::1\]|localhost/.source;
const printable = /[!"$-.0->A-~]/.source;
/** Plain letters, and no user, whose password everybody could read; what else a URL must be is looked at here alone. */
const urlForm = new RegExp(
  `^([hH][tT][tT][pP][sS]://${printable}+|[hH][tT][tT][pP]://(${loopback})(:[0-9]{1,5})?)([/?#][!-~]*)?$`,
);
const longestUrl = 2048;
const target = tell(
  text("addresslist.url", (value) => {
    const url = URL.parse(value);
    const isLocal =
      url?.hostname === "127.0.0.1" || url?.hostname === "[::1]" || url?.hostname === "localhost";
    if (url?.protocol !== "https:" && !(url?.protocol === "http:" && isLocal))
      return `'${value}' is not an https URL; http only to the loopback`;
    if (url.username !== "" || url.password !== "")
      return "must not hold a password, which everybody could read: name a Secret";
    return value.length <= longestUrl && urlForm.test(value) ? undefined : `'${value}' is not a plain URL`;
  }),
  {
    maxLength: longestUrl,
    rules: [
      {
        rule: matches(urlForm),
        message:
          "must be an https URL, or http to the loopback, without a user or password, which everybody could read: name a Secret",
      },
    ],
  },
);
const cloudWord = word(
  "addresslist.cloud-name",
  /^[a-z][a-z0-9-]{1,62}$/,
  63,
  "may hold small letters, digits and '-' only, and begins with a letter",
);
/** Of ours only: others' lists are others'. */
const rdsList = word(
  "addresslist.rds-list",
  /^trunkline_[a-z0-9_]{0,21}[a-z0-9]$/,
  32,
  "must begin with trunkline_, and have letters, digits and '_', 32 at most",
);

const spanForm = /^[0-9]{1,5}\/[0-9]{1,5}$/;
const aSpan = "is not FIRST/LAST, such as 6379/6379, or -1/-1 for all";
/** As ECS writes ranges of ports. */
const portSpan = tell(
  text("addresslist.ports", (value) => {
    const [first, last] = spanForm.test(value) ? value.split("/").map(Number) : [];
    const fits = Number(first) >= 1 && Number(first) <= Number(last) && Number(last) <= 65_535;
    return value === "-1/-1" || fits ? undefined : `'${value}' ${aSpan}`;
  }),
  {
    maxLength: 11,
    rules: [
      {
        rule: `self == '-1/-1' || (${matches(spanForm)} && int(self.split('/')[0]) >= 1 && int(self.split('/')[0]) <= int(self.split('/')[1]) && int(self.split('/')[1]) <= 65535)`,
        message: aSpan,
      },
    ],
  },
);

const byController = ["configMap", "http", "rds", "redis", "securityGroup"] as const;
const oneType = `must have exactly one of ${sinkTypes.join(", ")}`;
const placed =
  "must not stand beside configMap, http, rds, redis and securityGroup, which the controller does";
const onePlace = "must not stand beside `host`: a sink is in one place";
const someSet = "must name ipv4Set, ipv6Set or both";
const has = (name: string) => `has(self.${name})`;

const sink = tell(
  fields({
    name: sinkName,
    host: objectName.exactOptional(),
    nodes: boundedSelector.exactOptional(),
    file: fields({ path: filePath, form: z.enum(listFileForms).exactOptional() }).exactOptional(),
    nginx: fields({ path: filePath, config: filePath.exactOptional() }).exactOptional(),
    haproxy: fields({ path: filePath, socket: filePath, value: mapValue.exactOptional() }).exactOptional(),
    nft: fields({
      family: z.enum(["ip", "ip6", "inet"]),
      table: nftName,
      ipv4Set: nftName.exactOptional(),
      ipv6Set: nftName.exactOptional(),
    }).exactOptional(),
    postgres: fields({
      path: filePath,
      socketFolder: filePath.exactOptional(),
      port: portNumber.exactOptional(),
      databases: list(hbaWord, 100).exactOptional(),
      users: list(hbaWord, 100).exactOptional(),
      method: hbaWord.exactOptional(),
      connection: z.enum(["host", "hostssl", "hostnossl"]).exactOptional(),
    }).exactOptional(),
    configMap: fields({ namespace: objectName, name: objectName }).exactOptional(),
    http: fields({
      url: target,
      tokenSecret: fields({
        namespace: objectName,
        name: objectName,
        key: word("addresslist.key", /^[\w.-]{1,253}$/, 253, "is not a key of a Secret").exactOptional(),
      }).exactOptional(),
    }).exactOptional(),
    rds: fields({
      region: cloudWord,
      instance: cloudWord,
      listName: rdsList.exactOptional(),
    }).exactOptional(),
    redis: fields({
      region: cloudWord,
      instance: cloudWord,
      listName: rdsList.exactOptional(),
    }).exactOptional(),
    securityGroup: fields({
      region: cloudWord,
      group: cloudWord,
      protocol: z.enum(["all", "tcp", "udp", "icmp"]).exactOptional(),
      ports: portSpan.exactOptional(),
    }).exactOptional(),
  }).superRefine((one, context) => {
    const given = sinkTypes.filter((type) => one[type] !== undefined);
    if (given.length !== 1)
      complain(context, "addresslist.sink", [], `${oneType}; it has ${given.join(" and ") || "none"}`);
    if (one.host !== undefined && one.nodes !== undefined)
      complain(context, "addresslist.sink-place", ["nodes"], onePlace);
    if (
      byController.some((type) => one[type] !== undefined) &&
      (one.host !== undefined || one.nodes !== undefined)
    )
      complain(context, "addresslist.sink-place", [one.host === undefined ? "nodes" : "host"], placed);
    if (one.nft && one.nft.ipv4Set === undefined && one.nft.ipv6Set === undefined)
      complain(context, "schema.required", ["nft"], someSet);
  }),
  {
    rules: [
      { rule: `[${sinkTypes.map(has).join(", ")}].filter(x, x).size() == 1`, message: oneType },
      { rule: "!has(self.host) || !has(self.nodes)", message: onePlace, fieldPath: ".nodes" },
      {
        rule: `!(${byController.map(has).join(" || ")}) || !(has(self.host) || has(self.nodes))`,
        message: `\`host\` and \`nodes\` ${placed}`,
      },
      {
        rule: "!has(self.nft) || has(self.nft.ipv4Set) || has(self.nft.ipv6Set)",
        message: someSet,
        fieldPath: ".nft",
      },
    ],
  },
);

/**
 * Returns what is wrong with a sink, and where; undefined: nothing. For whoever does what it says: an API server takes any
 * text for it.
 */
export function whyNotSink(value: unknown): string | undefined {
  const [first] = sink.safeParse(value).error?.issues ?? [];
  return first && `${first.path.join(".")}: ${first.message}`;
}

const listedPods = fields({
  namespaces: list(objectName, 64).exactOptional(),
  namespaceSelector: boundedSelector.exactOptional(),
  podSelector: boundedSelector.exactOptional(),
  workload: workload.exactOptional(),
  annotations: z.record(z.string(), z.string()).exactOptional(),
});

const status = fields({
  revision: z.number().exactOptional(),
  ranges: z.array(z.string()).exactOptional(),
  entries: z
    .array(
      fields({
        range: z.string(),
        revision: z.number(),
        pods: z.number(),
        neededBy: z.array(z.string()),
        unusedSince: z.string().exactOptional(),
      }),
    )
    .exactOptional(),
  strangers: z
    .array(
      fields({ range: z.string(), addresses: z.number(), known: z.number(), names: z.array(z.string()) }),
    )
    .exactOptional(),
  unknown: z.array(z.string()).exactOptional(),
  asked: z
    .array(
      fields({
        pod: z.string(),
        uid: z.string(),
        node: z.string(),
        addresses: z.array(z.string()),
        at: z.string(),
      }),
    )
    .exactOptional(),
  sinks: z
    .array(
      fields({
        name: z.string(),
        at: z.string(),
        revision: z.number(),
        ranges: z.number(),
        takenAt: z.string().exactOptional(),
        error: z.string().exactOptional(),
        errorSince: z.string().exactOptional(),
      }),
    )
    .exactOptional(),
  conditions: conditions.exactOptional(),
});

const mostListed = 64;

export const addressListSchema = schemaOf<AddressList>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("AddressList"),
    metadata: metadata(),
    spec: fields({
      for: tell(
        z.array(listedPods).superRefine(({ length }, context) => {
          if (length > mostListed)
            complain(
              context,
              "schema.count",
              [],
              `must have at most ${mostListed} entries; it has ${length}`,
            );
          if (length === 0)
            complain(
              context,
              "schema.required",
              [],
              "must have at least one entry",
              "Write `- {}` for all pods",
            );
        }),
        { minItems: 1, maxItems: mostListed },
      ),
      to: destination,
      entries: z.enum(["Addresses", "Ranges"]).exactOptional(),
      maxEntries: whole("addresslist.max-entries", 1, 100_000).exactOptional(),
      rest: duration.exactOptional(),
      wait: duration.exactOptional(),
      sinks: keyedList(sink, ["name"], 64, "addresslist.sink-name").exactOptional(),
    }),
    status: status.exactOptional(),
  }),
);
