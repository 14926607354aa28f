// A security group of ECS (version 2014-05-26): one rule for each range that lets it in, known as ours by its description. Rules of
// others are never touched. New ones come before old ones go.
import { callerOf, plain } from "./cloud-list.ts";
import type { SinkMaker } from "./sink.ts";

interface RulesAnswer {
  readonly NextToken?: string;
  readonly Permissions?: {
    readonly Permission?: readonly {
      readonly SecurityGroupRuleId?: string;
      readonly SourceCidrIp?: string;
      readonly Ipv6SourceCidrIp?: string;
      readonly IpProtocol?: string;
      readonly PortRange?: string;
      readonly Description?: string;
    }[];
  };
}

/** Rules in one call. */
const AT_ONCE = 100;

export const securityGroupSink: SinkMaker<"securityGroup"> =
  ({ region, group, protocol = "all", ports = "-1/-1" }) =>
  async ({ name, ranges }, place) => {
    const client = callerOf(place, region, `security group ${group}`);
    const description = `trunkline ${name}`;
    const stale: string[] = [];
    const held = new Set<string>();
    let token: string | undefined;
    do {
      const answer: RulesAnswer = await client.call<RulesAnswer>("ecs", "DescribeSecurityGroupAttribute", {
        SecurityGroupId: group,
        Direction: "ingress",
        ...(token !== undefined && { NextToken: token }),
      });
      for (const rule of answer.Permissions?.Permission ?? []) {
        if (rule.Description !== description || rule.SecurityGroupRuleId === undefined) continue;
        const range = plain(rule.SourceCidrIp || rule.Ipv6SourceCidrIp || "");
        const isRight = rule.IpProtocol?.toLowerCase() === protocol && rule.PortRange === ports;
        if (isRight && !held.has(range) && ranges.some((one) => plain(one) === range)) held.add(range);
        else stale.push(rule.SecurityGroupRuleId);
      }
      token = answer.NextToken || undefined;
    } while (token !== undefined);
    const fresh = ranges.filter((range) => !held.has(plain(range)));
    for (let at = 0; at < fresh.length; at += AT_ONCE) {
      const some = fresh.slice(at, at + AT_ONCE).map((range) => ({
        IpProtocol: protocol,
        PortRange: ports,
        Policy: "accept",
        Priority: "1",
        Description: description,
        [range.includes(":") ? "Ipv6SourceCidrIp" : "SourceCidrIp"]: range,
      }));
      await client.call("ecs", "AuthorizeSecurityGroup", {
        SecurityGroupId: group,
        ...numbered("Permissions", some),
      });
    }
    for (let at = 0; at < stale.length; at += AT_ONCE) {
      const some = stale.slice(at, at + AT_ONCE);
      const ids = Object.fromEntries(some.map((id, index) => [`SecurityGroupRuleId.${index + 1}`, id]));
      await client.call("ecs", "RevokeSecurityGroup", { SecurityGroupId: group, ...ids });
    }
  };

/** As the API writes lists: `Permissions.1.Policy`. */
function numbered(name: string, all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  return Object.fromEntries(
    all.flatMap((one, at) =>
      Object.entries(one).map(([field, value]) => [`${name}.${at + 1}.${field}`, value] as const),
    ),
  );
}
