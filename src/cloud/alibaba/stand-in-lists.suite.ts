// The part of the stand-in that databases and security groups are: lists of addresses, and rules.

const RDS = "2014-08-15";
const REDIS = "2015-01-01";
const ECS = "2014-05-26";
const PAGE = 3;

const known: Readonly<Record<string, RegExp>> = {
  [`${RDS} DescribeDBInstanceIPArrayList`]: /^DBInstanceId$/,
  [`${RDS} DescribeDBInstanceNetInfo`]: /^DBInstanceId$/,
  [`${RDS} ModifySecurityIps`]: /^(DBInstanceId|DBInstanceIPArrayName|ModifyMode|SecurityIps)$/,
  [`${REDIS} DescribeSecurityIps`]: /^InstanceId$/,
  [`${REDIS} DescribeDBInstanceNetInfo`]: /^InstanceId$/,
  [`${REDIS} ModifySecurityIps`]: /^(InstanceId|SecurityIpGroupName|ModifyMode|SecurityIps)$/,
  [`${ECS} DescribeSecurityGroupAttribute`]: /^(SecurityGroupId|Direction|NextToken)$/,
  [`${ECS} AuthorizeSecurityGroup`]:
    /^(SecurityGroupId|Permissions\.\d+\.(IpProtocol|PortRange|Policy|Priority|Description|SourceCidrIp|Ipv6SourceCidrIp))$/,
  [`${ECS} RevokeSecurityGroup`]: /^(SecurityGroupId|SecurityGroupRuleId\.\d+)$/,
};

export interface StandInRule {
  readonly SecurityGroupRuleId: string;
  readonly SourceCidrIp: string;
  readonly IpProtocol: string;
  readonly PortRange: string;
  readonly Policy: string;
  readonly Description: string;
}

type Given = Readonly<Record<string, string>>;

export class StandInLists {
  /** Lists of addresses of database instances (RDS and Redis), by instance and name. */
  readonly lists = new Map<string, Map<string, string>>();
  /** Where instances are reached, by instance. */
  readonly addresses = new Map<string, string>();
  /** Rules of what comes in, by security group. */
  readonly groups = new Map<string, StandInRule[]>();
  #rules = 0;

  /** Returns the parameters of an action of these; undefined: it is none. */
  parameters(version: string, action: string): RegExp | undefined {
    return known[`${version} ${action}`];
  }

  /** Returns the answer, a refusal's code, or undefined: the action is none of these. */
  act(version: string, action: string, given: Given): object | string | undefined {
    if (!this.parameters(version, action)) return undefined;
    const text = (name: string) => given[name] ?? "";
    if (version === ECS) return this.#ofGroup(action, given);
    const id = version === RDS ? text("DBInstanceId") : text("InstanceId");
    const lists = this.lists.get(id);
    if (!lists) return version === RDS ? "InvalidDBInstanceId.NotFound" : "InvalidInstanceId.NotFound";
    if (action === "ModifySecurityIps")
      return this.#modified(
        lists,
        text(version === RDS ? "DBInstanceIPArrayName" : "SecurityIpGroupName"),
        given,
      );
    if (action === "DescribeDBInstanceNetInfo") {
      const info = [
        { IPType: "Public", IPAddress: "203.0.113.7" },
        { IPType: version === RDS ? "Inner" : "Private", IPAddress: this.addresses.get(id) ?? "" },
      ];
      return version === RDS
        ? { DBInstanceNetInfos: { DBInstanceNetInfo: info } }
        : { NetInfoItems: { InstanceNetInfo: info } };
    }
    const all = [...lists];
    return version === RDS
      ? {
          Items: {
            DBInstanceIPArray: all.map(([DBInstanceIPArrayName, SecurityIPList]) => ({
              DBInstanceIPArrayName,
              DBInstanceIPArrayAttribute: "",
              SecurityIPType: "IPv4",
              SecurityIPList,
            })),
          },
        }
      : {
          SecurityIpGroups: {
            SecurityIpGroup: all.map(([SecurityIpGroupName, SecurityIpList]) => ({
              SecurityIpGroupName,
              SecurityIpGroupAttribute: "",
              SecurityIpList,
            })),
          },
        };
  }

  #modified(lists: Map<string, string>, name: string, given: Given): object | string {
    const entries = (given["SecurityIps"] ?? "").split(",");
    if (!/^[a-z][a-z0-9_]{0,30}[a-z0-9]$/.test(name) || given["ModifyMode"] !== "Cover")
      return "InvalidParameter";
    if (entries.length > 1000 || !entries.every((one) => /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/.test(one)))
      return "InvalidSecurityIPs.Format";
    lists.set(name, entries.join(","));
    return {};
  }

  #ofGroup(action: string, given: Given): object | string {
    const rules = this.groups.get(given["SecurityGroupId"] ?? "");
    if (!rules) return "InvalidSecurityGroupId.NotFound";
    if (action === "DescribeSecurityGroupAttribute") {
      if (given["Direction"] !== "ingress") return "InvalidParameter";
      const from = Number(given["NextToken"] ?? 0);
      const NextToken = from + PAGE >= rules.length ? "" : `${from + PAGE}`;
      return { NextToken, Permissions: { Permission: rules.slice(from, from + PAGE) } };
    }
    if (action === "RevokeSecurityGroup") {
      const ids = new Set(
        Object.entries(given).flatMap(([key, value]) =>
          key.startsWith("SecurityGroupRuleId.") ? [value] : [],
        ),
      );
      if (
        ids.size === 0 ||
        ids.size > 100 ||
        [...ids].some((id) => !rules.some((one) => one.SecurityGroupRuleId === id))
      )
        return "InvalidParam.SecurityGroupRuleId";
      rules.splice(0, rules.length, ...rules.filter((one) => !ids.has(one.SecurityGroupRuleId)));
      return {};
    }
    const fresh: Record<string, string>[] = [];
    for (const [key, value] of Object.entries(given)) {
      const [, at, field = ""] = /^Permissions\.(\d+)\.(\w+)$/.exec(key) ?? [];
      if (at === undefined) continue;
      const index = Number(at) - 1;
      fresh[index] = { ...fresh[index], [field]: value };
    }
    if (fresh.length === 0 || fresh.length > 100 || rules.length + fresh.length > 200)
      return "AuthorizationLimitExceed";
    for (const one of fresh) {
      const { IpProtocol = "", PortRange = "", Policy = "", Description = "", SourceCidrIp = "" } = one;
      if (IpProtocol === "all" && PortRange !== "-1/-1") return "InvalidIpProtocol.ValueNotSupported";
      if (
        rules.some(
          (rule) =>
            rule.SourceCidrIp === SourceCidrIp.replace(/\/32$/, "") &&
            rule.PortRange === PortRange &&
            rule.Description === Description,
        )
      )
        return "InvalidPermission.Duplicate";
      // One address is shown without its length.
      rules.push({
        SecurityGroupRuleId: `sgr-${++this.#rules}`,
        SourceCidrIp: SourceCidrIp.replace(/\/32$/, ""),
        IpProtocol: IpProtocol.toUpperCase(),
        PortRange,
        Policy: Policy === "accept" ? "Accept" : "Drop",
        Description,
      });
    }
    return {};
  }
}
