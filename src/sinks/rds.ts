// ApsaraDB RDS: a list of addresses of an instance, under a name of ours (ModifySecurityIps, version 2014-08-15). Others' lists are never
// touched. An instance takes 1000 addresses and ranges in all its lists, and a minute until they hold.
import { TrunklineError } from "../base/errors.ts";
import type { SinkMaker } from "./sink.ts";

interface ListsAnswer {
  readonly Items?: {
    readonly DBInstanceIPArray?: readonly {
      readonly DBInstanceIPArrayName?: string;
      readonly SecurityIPList?: string;
    }[];
  };
}

const MOST = 1000;
/** A list cannot be empty; this address admits nobody. */
const nobody = "127.0.0.1";

export const rdsSink: SinkMaker<"rds"> =
  ({ region, instance, listName }) =>
  async ({ name, ranges }, { rds }) => {
    const what = `ApsaraDB RDS instance ${instance}`;
    const client = rds?.(region);
    if (!client) {
      const why =
        "this process has no keys of the cloud: start the controller with --provider alibaba:REGION";
      throw new TrunklineError("sinks.refused", { what, why });
    }
    const array = listName ?? nameOf(name);
    const wanted = ranges.length === 0 ? [nobody] : ranges.map((range) => range.replace(/\/32$/, ""));
    const other = ranges.find((range) => range.includes(":"));
    if (other !== undefined)
      throw new TrunklineError("sinks.refused", { what, why: `its lists take IPv4 only, and not ${other}` });
    const answer = await client.call<ListsAnswer>("rds", "DescribeDBInstanceIPArrayList", {
      DBInstanceId: instance,
    });
    const lists = answer.Items?.DBInstanceIPArray ?? [];
    const entriesOf = (text = "") =>
      text
        .split(",")
        .filter((entry) => entry !== "")
        .map((entry) => entry.replace(/\/32$/, ""));
    const held = lists.find((one) => one.DBInstanceIPArrayName === array);
    const others = lists.filter((one) => one !== held).flatMap((one) => entriesOf(one.SecurityIPList)).length;
    if (others + wanted.length > MOST) {
      const why = `it takes ${MOST} entries in all; ${others} are others', and these are ${wanted.length}: set maxEntries`;
      throw new TrunklineError("sinks.refused", { what, why });
    }
    const before = entriesOf(held?.SecurityIPList).toSorted();
    if (held && before.join() === wanted.toSorted().join()) return;
    await client.call("rds", "ModifySecurityIps", {
      DBInstanceId: instance,
      DBInstanceIPArrayName: array,
      ModifyMode: "Cover",
      SecurityIps: wanted.join(","),
    });
  };

/** Names of lists are letters, digits and underscores, 2 to 32. Two lists must not come to the same. */
function nameOf(list: string): string {
  if (/^[a-z0-9]{1,22}$/.test(list)) return `trunkline_${list}`;
  const why = `the cloud has no list of that name: give sink.rds a listName, trunkline_…`;
  throw new TrunklineError("sinks.refused", { what: `AddressList ${list}`, why });
}
