import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { textOf } from "../../base/errors.ts";
import { LabCloud } from "../lab/lab-cloud.ts";
import { emptyCloud } from "../lab/state.ts";
import { providerSuite } from "../provider.suite.ts";
import { type CloudProvider, cloudCodeOf, isThrottled, isUnanswered } from "../provider.ts";
import { Credentials } from "./credentials.ts";
import { alibabaProvider } from "./provider.ts";
import { StandIn } from "./stand-in.suite.ts";

const environment = {
  ALIBABA_CLOUD_ACCESS_KEY_ID: "id",
  ALIBABA_CLOUD_ACCESS_KEY_SECRET: "secret",
};
let standIn: StandIn;
let provider: CloudProvider;

beforeEach(async () => {
  const lab = new LabCloud({
    state: emptyCloud(),
    subnets: [
      { id: "vsw-1", zone: "h", cidr: "10.8.0.0/24" },
      { id: "vsw-small", zone: "h", cidr: "10.9.0.0/29" },
    ],
    securityGroupIDs: ["sg-1"],
    instances: [{ instanceID: "i-n1", adapters: 3, ipv4PerAdapter: 5, memberAdapterLimit: 2 }],
    now: () => 0,
  });
  standIn = new StandIn(lab);
  const url = await standIn.listen();
  provider = alibabaProvider({
    region: "cn-test",
    credentials: new Credentials({ source: { from: "env" }, environment }),
    endpoint: () => url,
    lookMs: 1,
  });
});
afterEach(() => standIn.close());

providerSuite("Alibaba Cloud's", () => ({
  provider,
  vSwitchID: "vsw-1",
  smallVSwitchID: "vsw-small",
  securityGroupID: "sg-1",
  instanceID: "i-n1",
}));

const wanted = (token: string) => ({
  token,
  vSwitchID: "vsw-1",
  securityGroupIDs: ["sg-1"],
  type: "Secondary" as const,
  tags: { creator: "trunkline" },
});
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
const callsOf = (action: string) => standIn.requests.filter((one) => one.action === action);

describe("Alibaba Cloud's provider", () => {
  it("reads every page", async () => {
    for (let n = 0; n < 5; n++) await provider.createInterface(wanted(`t${n}`));
    expect(await provider.describeInterfaces({ tags: { creator: "trunkline" } })).toHaveLength(5);
    expect(standIn.requests.some(({ parameters }) => parameters["NextToken"] === "4")).toBe(true);
  });

  it("repeats with the same token, and a signature of its own, what was throttled or cut off or broke", async () => {
    standIn.mishaps.push("throttle", "reset", { status: 503 });
    const made = await provider.createInterface(wanted("once"));
    expect(standIn.lab.interfaces().map(({ id }) => id)).toEqual([made.id]);
    const calls = callsOf("CreateNetworkInterface");
    expect(calls).toHaveLength(4);
    expect(new Set(calls.map(({ parameters }) => parameters["ClientToken"]))).toEqual(new Set(["once"]));
    expect(new Set(calls.map(({ nonce }) => nonce)).size).toBe(4);
  });

  it("gives up after a while, and says which of the two it was", async () => {
    standIn.mishaps.push("throttle", "throttle", "throttle", "throttle");
    expect(isThrottled(await failureOf(provider.describeSubnets(["vsw-1"])))).toBe(true);
    standIn.mishaps.push({ status: 500 }, { status: 502 }, { status: 503 }, "reset");
    expect(isUnanswered(await failureOf(provider.describeSubnets(["vsw-1"])))).toBe(true);
  });

  it("does not repeat what was refused", async () => {
    standIn.mishaps.push({ code: "Forbidden.RAM" });
    expect(cloudCodeOf(await failureOf(provider.describeSubnets(["vsw-1"])))).toBe("Forbidden.RAM");
    expect(standIn.requests).toHaveLength(1);
  });

  it("believes a deletion only once the interface is listed no more", async () => {
    const { id } = await provider.createInterface(wanted("t"));
    const before = callsOf("DescribeNetworkInterfaces").length;
    await provider.deleteInterface(id);
    expect(callsOf("DescribeNetworkInterfaces").length - before).toBe(3);
  });

  it("takes a member off its trunk although nobody says which", async () => {
    const trunk = await provider.createInterface({ ...wanted("t"), type: "Trunk" });
    await provider.attachInterface({ id: trunk.id, instanceID: "i-n1" });
    const { id } = await provider.createInterface(wanted("m"));
    await provider.attachInterface({ id, instanceID: "i-n1", trunkENIID: trunk.id });
    await provider.detachInterface({ id, instanceID: "i-n1" });
    expect(callsOf("DetachNetworkInterface")[0]?.parameters).toMatchObject({
      TrunkNetworkInstanceId: trunk.id,
    });
  });

  it("takes back what is left of addresses of which some are gone already", async () => {
    const { id } = await provider.createInterface(wanted("t"));
    const given = await provider.assignAddresses({ token: "a", id, count: 3 });
    await standIn.lab.for("somebody").unassignAddresses(id, given.slice(0, 1));
    await provider.unassignAddresses(id, given);
    expect(standIn.lab.interfaces()[0]?.addresses).toHaveLength(1);
  });

  it("asks for a machine's limits once", async () => {
    const limits = { instanceID: "i-n1", adapters: 3, ipv4PerAdapter: 5, memberAdapterLimit: 2 };
    expect(await provider.describeInstance("i-n1")).toEqual(limits);
    expect(await provider.describeInstance("i-n1")).toEqual(limits);
    expect(callsOf("DescribeInstanceTypes")).toHaveLength(1);
    expect(cloudCodeOf(await failureOf(provider.describeInstance("i-none")))).toBe(
      "InvalidInstanceId.NotFound",
    );
  });

  it("says that keys are wrong, without them", async () => {
    standIn.keys.set("id", "another");
    const failure = await failureOf(provider.describeSubnets(["vsw-1"]));
    expect(cloudCodeOf(failure)).toBe("SignatureDoesNotMatch");
    expect(`${textOf(failure)} ${JSON.stringify(failure)}`).not.toContain("secret");
  });
});
