// Schema of AddressList. What stands in it reaches servers' configurations and the firewall's commands: every text has a
// grammar in which nothing can end a word, a line or a string.
import * as z from "zod";
import { parseGoDuration } from "../../../base/go-duration.ts";
import { tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import {
  complain,
  condition,
  fields,
  labelSelector,
  metadata,
  portNumber,
  schemaOf,
  text,
} from "../../schema.ts";
import { whyNotLabelValue, whyNotSubdomain } from "../../words.ts";
import { type AddressList, listFileForms, sinkTypes } from "../address-list.ts";

const objectName = text("schema.name", whyNotSubdomain);
const sinkName = text("addresslist.sink-name", (value) =>
  value === "" ? "must not be empty" : whyNotLabelValue(value),
);

/** An absolute path of plain letters, which means the same in every configuration. */
const filePath = text("addresslist.path", (value) => {
  if (!value.startsWith("/")) return `'${value}' is not an absolute path`;
  if (!/^[\w./@+-]+$/.test(value)) return `'${value}' may hold letters, digits and ./_@+- only`;
  return /(^|\/)\.{1,2}(\/|$)|\/\/|\/$/.test(value)
    ? `'${value}' must be written without '.', '..' and empty parts`
    : undefined;
});

const duration = text("addresslist.duration", (value) => {
  const ms = parseGoDuration(value);
  if (ms === undefined) return `'${value}' is not a duration such as 20s or 1m30s`;
  return ms < 0 || ms > 3_600_000 ? `must be between 0s and 1h; it is ${value}` : undefined;
});

const nftName = text("addresslist.nft-name", (value) => {
  if (!/^[A-Za-z][\w./-]{0,127}$/.test(value)) return `'${value}' is not the name of a table or set`;
  return value === "trunkline" ? "cannot be 'trunkline': that table is Trunkline's own" : undefined;
});
const hbaWord = text("addresslist.hba-word", (value) =>
  /^[A-Za-z_][\w.-]{0,62}$/.test(value) ? undefined : `'${value}' may hold letters, digits and _.- only`,
);
const mapValue = text("addresslist.map-value", (value) =>
  /^[\w.:/-]{1,128}$/.test(value) ? undefined : `'${value}' may hold letters, digits and _.:/- only`,
);
const workload = text("addresslist.workload", (value) =>
  /^[A-Za-z]+\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(value)
    ? undefined
    : `'${value}' is not KIND/NAME, such as deployment/web`,
);

/** `host/NAME`, `KIND/NAME`, `KIND/NAMESPACE/NAME`, an address, or a range; the first ones with a port, or without. */
const destination = text("addresslist.to", (value) => {
  if (tryParseIp(value) || tryParseCidr(value)) return undefined;
  const [, end = "", port] = /^(.*?)(?::(\d{1,5})(?:\/(?:tcp|udp|sctp))?)?$/i.exec(value) ?? [];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return `the port of '${value}' must be between 1 and 65535`;
  const bare = /^\[(.*)\]$/.exec(end)?.[1] ?? end;
  if (tryParseIp(bare) || /^[A-Za-z]+(\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?){1,2}$/.test(end)) return undefined;
  return `'${value}' is not host/NAME, KIND/NAME, an address or a range such as 10.0.0.0/24, with :PORT or without`;
});

const target = text("addresslist.url", (value) => {
  const url = URL.parse(value);
  const isLocal = url?.hostname === "127.0.0.1" || url?.hostname === "[::1]" || url?.hostname === "localhost";
  if (url?.protocol !== "https:" && !(url?.protocol === "http:" && isLocal))
    return `'${value}' is not an https URL; http only to the loopback`;
  return url.username !== "" || url.password !== ""
    ? "must not hold a password, which everybody could read: name a Secret"
    : undefined;
});
const cloudWord = text("addresslist.cloud-name", (value) =>
  /^[a-z][a-z0-9-]{1,62}$/.test(value)
    ? undefined
    : `'${value}' may hold small letters, digits and '-' only, and begins with a letter`,
);
/** Of ours only: others' lists are others'. */
const rdsList = text("addresslist.rds-list", (value) =>
  /^trunkline_[a-z0-9_]{0,21}[a-z0-9]$/.test(value)
    ? undefined
    : `'${value}' must begin with trunkline_, and have letters, digits and '_', 32 at most`,
);

/** As ECS writes ranges of ports. */
const portSpan = text("addresslist.ports", (value) => {
  const [, first, last] = /^(\d{1,5})\/(\d{1,5})$/.exec(value) ?? [];
  if (value === "-1/-1" || (Number(first) >= 1 && Number(first) <= Number(last) && Number(last) <= 65_535))
    return undefined;
  return `'${value}' is not FIRST/LAST, such as 6379/6379, or -1/-1 for all`;
});

const sink = fields({
  name: sinkName,
  host: objectName.exactOptional(),
  nodes: labelSelector.exactOptional(),
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
    databases: z.array(hbaWord).exactOptional(),
    users: z.array(hbaWord).exactOptional(),
    method: hbaWord.exactOptional(),
    connection: z.enum(["host", "hostssl", "hostnossl"]).exactOptional(),
  }).exactOptional(),
  configMap: fields({ namespace: objectName, name: objectName }).exactOptional(),
  http: fields({
    url: target,
    tokenSecret: fields({
      namespace: objectName,
      name: objectName,
      key: text("addresslist.key", (value) =>
        /^[\w.-]{1,253}$/.test(value) ? undefined : `'${value}' is not a key of a Secret`,
      ).exactOptional(),
    }).exactOptional(),
  }).exactOptional(),
  rds: fields({ region: cloudWord, instance: cloudWord, listName: rdsList.exactOptional() }).exactOptional(),
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
    complain(
      context,
      "addresslist.sink",
      [],
      `must have exactly one of ${sinkTypes.join(", ")}; it has ${given.join(" and ") || "none"}`,
    );
  if (one.host !== undefined && one.nodes !== undefined)
    complain(
      context,
      "addresslist.sink-place",
      ["nodes"],
      "must not stand beside `host`: a sink is in one place",
    );
  if (
    (one.configMap ?? one.http ?? one.rds ?? one.redis ?? one.securityGroup) &&
    (one.host !== undefined || one.nodes !== undefined)
  )
    complain(
      context,
      "addresslist.sink-place",
      [one.host === undefined ? "nodes" : "host"],
      "must not stand beside configMap, http, rds, redis and securityGroup, which the controller does",
    );
  if (one.nft && one.nft.ipv4Set === undefined && one.nft.ipv6Set === undefined)
    complain(context, "schema.required", ["nft"], "must name ipv4Set, ipv6Set or both");
});

/**
 * Returns what is wrong with a sink, and where; undefined: nothing. For whoever does what it says: an API server takes any
 * text for it.
 */
export function whyNotSink(value: unknown): string | undefined {
  const [first] = sink.safeParse(value).error?.issues ?? [];
  return first && `${first.path.join(".")}: ${first.message}`;
}

const listedPods = fields({
  namespaces: z.array(text("schema.name", whyNotSubdomain)).exactOptional(),
  namespaceSelector: labelSelector.exactOptional(),
  podSelector: labelSelector.exactOptional(),
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
  conditions: z.array(condition).exactOptional(),
});

export const addressListSchema = schemaOf<AddressList>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("AddressList"),
    metadata: metadata(),
    spec: fields({
      for: z.array(listedPods).superRefine((list, context) => {
        if (list.length === 0)
          complain(
            context,
            "schema.required",
            [],
            "must have at least one entry",
            "Write `- {}` for all pods",
          );
      }),
      to: destination,
      entries: z.enum(["Addresses", "Ranges"]).exactOptional(),
      maxEntries: z
        .number()
        .superRefine((value, context) => {
          if (!Number.isInteger(value) || value < 1 || value > 100_000)
            complain(context, "addresslist.max-entries", [], `must be between 1 and 100000; it is ${value}`);
        })
        .exactOptional(),
      rest: duration.exactOptional(),
      wait: duration.exactOptional(),
      sinks: z
        .array(sink)
        .superRefine((list, context) => {
          for (const [at, { name }] of list.entries())
            if (list.findIndex((other) => other.name === name) < at)
              complain(
                context,
                "addresslist.sink-name",
                [at, "name"],
                `'${name}' is another sink's name already`,
              );
        })
        .exactOptional(),
    }),
    status: status.exactOptional(),
  }),
);
