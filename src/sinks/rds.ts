// ApsaraDB RDS (ModifySecurityIps, version 2014-08-15). It takes a minute until a change holds.
import { callerOf, keepCloudList } from "./cloud-list.ts";
import type { SinkMaker } from "./sink.ts";

interface ListsAnswer {
  readonly Items?: {
    readonly DBInstanceIPArray?: readonly {
      readonly DBInstanceIPArrayName?: string;
      readonly SecurityIPList?: string;
    }[];
  };
}

export const rdsSink: SinkMaker<"rds"> =
  ({ region, instance, listName }) =>
  async (list, place) => {
    const what = `ApsaraDB RDS instance ${instance}`;
    const client = callerOf(place, region, what);
    await keepCloudList(list, listName, {
      what,
      async read() {
        const given = { DBInstanceId: instance };
        const answer = await client.call<ListsAnswer>("rds", "DescribeDBInstanceIPArrayList", given);
        const all = answer.Items?.DBInstanceIPArray ?? [];
        return new Map(
          all.map(({ DBInstanceIPArrayName = "", SecurityIPList = "" }) => [
            DBInstanceIPArrayName,
            SecurityIPList,
          ]),
        );
      },
      async write(name, entries) {
        await client.call("rds", "ModifySecurityIps", {
          DBInstanceId: instance,
          DBInstanceIPArrayName: name,
          ModifyMode: "Cover",
          SecurityIps: entries,
        });
      },
    });
  };
