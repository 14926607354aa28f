// The annotations by which pods ask Alibaba Cloud's webhook injector (ack-kubernetes-webhook-injector) for entries of whitelists, and
// the AddressLists that they come to. Pure. The injector's own lists are left alone: ours have names of their own.
import { createHash } from "node:crypto";
import type { AddressList, AddressListSink } from "../../api/kinds/address-list.ts";
import { addressListKind } from "../../api/kinds/address-list.ts";

const PREFIX = "ack.aliyun.com/";
/** Of lists that are made of annotations. */
export const injectorLabel = "trunkline.dev/made-from";
export const injectorValue = "webhook-injector";

const sources = [
  { type: "rds", ids: `${PREFIX}rds_id`, list: `${PREFIX}white_list_name` },
  { type: "redis", ids: `${PREFIX}redis_id`, list: `${PREFIX}redis_white_list_name` },
  { type: "securityGroup", ids: `${PREFIX}security_group_id`, list: undefined },
] as const;
const unread = [`${PREFIX}access_control_policy_id`] as const;

/** One entry that a pod asks for. */
export interface Wish {
  readonly type: (typeof sources)[number]["type"];
  /** Of the instance or group. */
  readonly id: string;
  /** What the pod calls the list; empty: it does not say. */
  readonly list: string;
  /** Name of the AddressList. */
  readonly name: string;
}

export interface WishProblem {
  /** The annotation's name. */
  readonly annotation: string;
  readonly why: string;
}

type Annotations = Readonly<Record<string, string>> | undefined;

/** Returns the words of an annotation that is a list. */
export function wordsOf(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** Returns what a pod's annotations ask for, and what of them cannot be had. */
export function wishesOf(annotations: Annotations): {
  readonly wishes: readonly Wish[];
  readonly problems: readonly WishProblem[];
} {
  const wishes = new Map<string, Wish>();
  const problems: WishProblem[] = [];
  for (const { type, ids, list } of sources) {
    const named = list === undefined ? "" : (annotations?.[list]?.trim() ?? "");
    const words = wordsOf(annotations?.[ids]);
    if (annotations?.[ids] !== undefined && words.length === 0)
      problems.push({ annotation: ids, why: "names nobody" });
    if (list !== undefined && named !== "" && words.length === 0)
      problems.push({ annotation: list, why: `stands without ${ids}` });
    if (list !== undefined && !/^([a-z0-9][a-z0-9_]{0,20}[a-z0-9]|[a-z0-9]?)$/.test(named)) {
      const why = `'${named}' cannot be a list's name: small letters, digits and '_', 22 at most`;
      problems.push({ annotation: list, why });
      continue;
    }
    for (const id of words) {
      if (!/^[a-z][a-z0-9-]{1,62}$/.test(id)) {
        problems.push({ annotation: ids, why: `'${id}' is not the id of an instance or group` });
        continue;
      }
      const name = listName(type, id, named);
      wishes.set(name, { type, id, list: named, name });
    }
  }
  for (const annotation of unread)
    if (annotations?.[annotation] !== undefined)
      problems.push({ annotation, why: "is not read: load balancers' access lists are not kept" });
  return { wishes: [...wishes.values()], problems };
}

/** Different wishes have different names, whatever their ids and lists are. */
function listName(type: Wish["type"], id: string, list: string): string {
  const readable = [type.toLowerCase(), id, ...(list === "" ? [] : [list.replaceAll("_", "-")])].join("-");
  const mark = createHash("sha256")
    .update(JSON.stringify([type, id, list]))
    .digest("hex")
    .slice(0, 6);
  return `${readable}-${mark}`;
}

/** Returns the list for everybody who asks for that. @param to an address of the instance, or of a member of the group */
export function listOfWish(
  wish: Wish,
  region: string,
  to: string,
): Pick<AddressList, "apiVersion" | "kind" | "spec"> & {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
} {
  const { type, id, list, name } = wish;
  const source = sources.find((one) => one.type === type)!;
  const listed = { listName: `trunkline_${list === "" ? "pods" : list}` };
  const sink: AddressListSink =
    type === "securityGroup"
      ? { name: "group", securityGroup: { region, group: id } }
      : { name: "list", [type]: { region, instance: id, ...listed } };
  const annotations = { [source.ids]: id, ...(source.list !== undefined && { [source.list]: list }) };
  return {
    apiVersion: addressListKind.apiVersion,
    kind: "AddressList",
    metadata: { name, labels: { [injectorLabel]: injectorValue } },
    spec: { for: [{ annotations }], to, sinks: [sink] },
  };
}
