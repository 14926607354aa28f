// Redis and Tair of Alibaba Cloud (r-kvstore, ModifySecurityIps, version 2015-01-01).
import { callerOf, keepCloudList } from "./cloud-list.ts";
import type { SinkMaker } from "./sink.ts";

interface GroupsAnswer {
  readonly SecurityIpGroups?: {
    readonly SecurityIpGroup?: readonly {
      readonly SecurityIpGroupName?: string;
      readonly SecurityIpList?: string;
    }[];
  };
}

export const redisSink: SinkMaker<"redis"> =
  ({ region, instance, listName }) =>
  async (list, place) => {
    const what = `Redis instance ${instance}`;
    const client = callerOf(place, region, what);
    await keepCloudList(list, listName, {
      what,
      async read() {
        const given = { InstanceId: instance };
        const answer = await client.call<GroupsAnswer>("r-kvstore", "DescribeSecurityIps", given);
        const all = answer.SecurityIpGroups?.SecurityIpGroup ?? [];
        return new Map(
          all.map(({ SecurityIpGroupName = "", SecurityIpList = "" }) => [
            SecurityIpGroupName,
            SecurityIpList,
          ]),
        );
      },
      async write(name, entries) {
        await client.call("r-kvstore", "ModifySecurityIps", {
          InstanceId: instance,
          SecurityIpGroupName: name,
          ModifyMode: "Cover",
          SecurityIps: entries,
        });
      },
    });
  };
