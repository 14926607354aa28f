import { describe, expect, it } from "vitest";
import { providerSuite } from "../provider.suite.ts";
import { cloudCodeOf, isThrottled, isUnanswered } from "../provider.ts";
import { LabCloud } from "./lab-cloud.ts";
import { type CloudState, emptyCloud } from "./state.ts";

const limits = { adapters: 3, ipv4PerAdapter: 5, memberAdapterLimit: 2 };

function cloud(state: CloudState = emptyCloud(), kill: (caller: string) => void = () => {}): LabCloud {
  return new LabCloud({
    state,
    subnets: [
      { id: "vsw-1", zone: "h", cidr: "10.8.0.0/24" },
      { id: "vsw-small", zone: "h", cidr: "10.9.0.0/29" },
    ],
    securityGroupIDs: ["sg-1"],
    instances: [{ instanceID: "i-n1", ...limits }],
    now: () => 0,
    kill,
  });
}

providerSuite("the lab's", () => ({
  provider: cloud().for("suite"),
  vSwitchID: "vsw-1",
  smallVSwitchID: "vsw-small",
  securityGroupID: "sg-1",
  instanceID: "i-n1",
}));

const wanted = (token: string, addressCount = 1) => ({
  token,
  vSwitchID: "vsw-1",
  securityGroupIDs: ["sg-1"],
  type: "Secondary" as const,
  tags: {},
  addressCount,
});
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("the lab's cloud", () => {
  it("keeps to a machine's limits", async () => {
    const provider = cloud().for("n1");
    const ids = [];
    for (let n = 0; n < 4; n++) ids.push((await provider.createInterface(wanted(`t${n}`))).id);
    for (const id of ids.slice(0, 3)) await provider.attachInterface({ id, instanceID: "i-n1" });
    const full = await failureOf(provider.attachInterface({ id: ids[3] ?? "", instanceID: "i-n1" }));
    expect(cloudCodeOf(full)).toBe("EniPerInstanceLimitExceeded");
    const many = await failureOf(provider.assignAddresses({ token: "a", id: ids[0] ?? "", count: 5 }));
    expect(cloudCodeOf(many)).toBe("InvalidOperation.Ipv4CountExceeded");
  });

  it("fails as it is told to, so many times", async () => {
    const lab = cloud();
    const provider = lab.for("n1");
    lab.state.faults.push({ call: "CreateNetworkInterface", effect: "throttle", left: 2 });
    expect(isThrottled(await failureOf(provider.createInterface(wanted("a"))))).toBe(true);
    expect(isThrottled(await failureOf(provider.createInterface(wanted("a"))))).toBe(true);
    expect(lab.interfaces()).toEqual([]);
    expect(await failureOf(provider.createInterface(wanted("a")))).toBeUndefined();
    lab.state.faults.push({ call: "*", effect: "error:OperationDenied", left: 1 });
    expect(cloudCodeOf(await failureOf(provider.deleteInterface("x")))).toBe("OperationDenied");
    expect(lab.state.calls.CreateNetworkInterface).toEqual({ made: 3, failed: 2 });
  });

  it("does what it then does not answer, where the answer is lost, and nothing where the call is", async () => {
    const lab = cloud();
    const provider = lab.for("n1");
    lab.state.faults.push({ call: "CreateNetworkInterface", effect: "lost", left: 1 });
    expect(isUnanswered(await failureOf(provider.createInterface(wanted("a"))))).toBe(true);
    expect(lab.interfaces()).toHaveLength(1);
    lab.state.faults.push({ call: "CreateNetworkInterface", effect: "timeout", left: 1 });
    expect(isUnanswered(await failureOf(provider.createInterface(wanted("b"))))).toBe(true);
    expect(lab.interfaces()).toHaveLength(1);
    // The same token finds what was made.
    expect((await provider.createInterface(wanted("a"))).id).toBe(lab.interfaces()[0]?.id);
  });

  it("does half of it", async () => {
    const lab = cloud();
    const provider = lab.for("n1");
    lab.state.faults.push({ call: "CreateNetworkInterface", effect: "half", left: 1 });
    expect(cloudCodeOf(await failureOf(provider.createInterface(wanted("a", 4))))).toBe("InternalError");
    const [one] = lab.interfaces();
    expect(one?.addresses).toHaveLength(1);
    lab.state.faults.push({ call: "AttachNetworkInterface", effect: "half", left: 1 });
    await provider.attachInterface({ id: one?.id ?? "", instanceID: "i-n1" });
    expect(lab.interfaces()[0]?.status).toBe("Attaching");
    lab.state.faults.push({ call: "AssignPrivateIpAddresses", effect: "half", left: 1 });
    await failureOf(provider.assignAddresses({ token: "c", id: one?.id ?? "", count: 4 }));
    expect(lab.interfaces()[0]?.addresses).toHaveLength(3);
  });

  it("kills who calls, before or after", async () => {
    const killed: string[] = [];
    const lab = cloud(emptyCloud(), (caller) => killed.push(caller));
    for (const effect of ["kill-before", "kill-after"]) {
      lab.state.faults.push({ call: "CreateNetworkInterface", effect, left: 1 });
      await failureOf(lab.for(effect).createInterface(wanted(effect)));
    }
    expect(killed).toEqual(["kill-before", "kill-after"]);
    expect(lab.interfaces()).toHaveLength(1);
  });

  it("answers nobody while it is down, and lets no more calls through in a second than it is set to", async () => {
    const lab = cloud(emptyCloud({ down: true }));
    const provider = lab.for("n1");
    expect(isUnanswered(await failureOf(provider.describeSubnets(["vsw-1"])))).toBe(true);
    lab.state.settings = { latencyMs: 0, callsPerSecond: 2, down: false };
    const all = await Promise.all([1, 2, 3, 4].map(() => failureOf(provider.describeSubnets(["vsw-1"]))));
    expect(all.filter(isThrottled)).toHaveLength(2);
  });

  it("hides vSwitches and groups, and gives somebody else an interface", async () => {
    const lab = cloud();
    const provider = lab.for("n1");
    lab.hide("vsw-1", true);
    expect(await provider.describeSubnets(["vsw-1", "vsw-small"])).toHaveLength(1);
    lab.hide("vsw-1", false);
    expect(await provider.describeSubnets(["vsw-1", "vsw-small"])).toHaveLength(2);
    expect(() => lab.hide("vsw-none", true)).toThrow(/vsw-none/);
    const id = lab.addForeign("vsw-1", "10.8.0.7", { creator: "them" });
    expect(lab.interfaces({ tags: { creator: "them" } }).map(({ addresses }) => addresses)).toEqual([
      ["10.8.0.7"],
    ]);
    await lab.removeForeign(id);
    expect(lab.interfaces()).toEqual([]);
  });

  it("lives on from what it has written", async () => {
    const first = cloud();
    const { id } = await first.for("n1").createInterface(wanted("a", 3));
    const again = cloud(JSON.parse(JSON.stringify(first.state)) as CloudState);
    expect((await again.for("n1").createInterface(wanted("a", 3))).id).toBe(id);
    expect((await again.for("n1").createInterface(wanted("b"))).addresses).toEqual(["10.8.0.4"]);
  });
});
