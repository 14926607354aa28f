// What every provider must do, whatever it is made of.
import { describe, expect, it } from "vitest";
import { type CloudProvider, cloudCodeOf, isExhausted } from "./provider.ts";
import { ourTags } from "./types.ts";

export interface ProviderScene {
  readonly provider: CloudProvider;
  /** A vSwitch with at least 20 free addresses, one with exactly 4, and a group that exists. */
  readonly vSwitchID: string;
  readonly smallVSwitchID: string;
  readonly securityGroupID: string;
  /** A machine that takes at least two more interfaces. */
  readonly instanceID: string;
}

const codeOf = (promise: Promise<unknown>) => promise.then(() => "done", cloudCodeOf);

export function providerSuite(name: string, open: () => ProviderScene): void {
  describe(`a provider: ${name}`, () => {
    let token = 0;
    const request = (scene: ProviderScene, more: object = {}) => ({
      token: `t${++token}`,
      vSwitchID: scene.vSwitchID,
      securityGroupIDs: [scene.securityGroupID],
      type: "Secondary" as const,
      tags: ourTags("suite"),
      ...more,
    });

    it("describes what it has, and leaves out what it does not have", async () => {
      const { provider, vSwitchID, securityGroupID } = open();
      const [subnet, ...others] = await provider.describeSubnets([vSwitchID, "vsw-none"]);
      expect(subnet).toMatchObject({ id: vSwitchID });
      expect(subnet?.total).toBeGreaterThanOrEqual(20);
      expect(others).toEqual([]);
      expect(await provider.describeSecurityGroups([securityGroupID, "sg-none"])).toEqual([securityGroupID]);
    });

    it("makes an interface once for a token, with the addresses that were asked for", async () => {
      const scene = open();
      const { provider, vSwitchID } = scene;
      const before = (await provider.describeSubnets([vSwitchID]))[0]?.available ?? 0;
      const wanted = request(scene, { addressCount: 3 });
      const made = await provider.createInterface(wanted);
      expect(made).toMatchObject({
        type: "Secondary",
        status: "Available",
        vSwitchID,
        tags: ourTags("suite"),
      });
      expect(new Set(made.addresses).size).toBe(3);
      expect((await provider.createInterface(wanted)).id).toBe(made.id);
      expect((await provider.describeSubnets([vSwitchID]))[0]?.available).toBe(before - 3);
    });

    it("attaches, detaches and deletes, and does nothing where all is done", async () => {
      const scene = open();
      const { provider, instanceID } = scene;
      const { id } = await provider.createInterface(request(scene));
      const attachment = { id, instanceID };
      await provider.attachInterface(attachment);
      await provider.attachInterface(attachment);
      const [attached] = await provider.describeInterfaces({ ids: [id] });
      expect(attached).toMatchObject({ status: "InUse", instanceID });
      expect(await codeOf(provider.deleteInterface(id))).toBe("InvalidOperation.InvalidEniState");
      await provider.detachInterface(attachment);
      await provider.detachInterface(attachment);
      expect((await provider.describeInterfaces({ ids: [id] }))[0]).toMatchObject({ status: "Available" });
      await provider.deleteInterface(id);
      await provider.deleteInterface(id);
      expect(await provider.describeInterfaces({ ids: [id] })).toEqual([]);
    });

    it("gives members of a trunk a VLAN each, or says that there are no trunks", async () => {
      const scene = open();
      const { provider, instanceID } = scene;
      if ((await provider.describeInstance(instanceID)).memberAdapterLimit === 0) {
        expect(await codeOf(provider.createInterface(request(scene, { type: "Trunk" })))).toMatch(/^Invalid/);
        return;
      }
      const trunk = await provider.createInterface(request(scene, { type: "Trunk" }));
      await provider.attachInterface({ id: trunk.id, instanceID });
      const vids = [];
      for (let n = 0; n < 2; n++) {
        const member = await provider.createInterface(request(scene));
        await provider.attachInterface({ id: member.id, instanceID, trunkENIID: trunk.id });
        const [seen] = await provider.describeInterfaces({ ids: [member.id] });
        expect(seen).toMatchObject({ type: "Member", trunkENIID: trunk.id, instanceID });
        vids.push(seen?.vid);
      }
      expect(new Set(vids).size).toBe(2);
    });

    it("assigns addresses once for a token, and takes them back", async () => {
      const scene = open();
      const { provider } = scene;
      const { id, addresses } = await provider.createInterface(request(scene));
      const wanted = { token: `t${++token}`, id, count: 2 };
      const given = await provider.assignAddresses(wanted);
      expect(await provider.assignAddresses(wanted)).toEqual(given);
      expect((await provider.describeInterfaces({ ids: [id] }))[0]?.addresses).toEqual([
        ...addresses,
        ...given,
      ]);
      await provider.unassignAddresses(id, given);
      await provider.unassignAddresses(id, given);
      expect((await provider.describeInterfaces({ ids: [id] }))[0]?.addresses).toEqual(addresses);
    });

    it("says that a vSwitch is exhausted, and has given nothing then", async () => {
      const scene = open();
      const { provider, smallVSwitchID } = scene;
      const small = { vSwitchID: smallVSwitchID };
      const { id } = await provider.createInterface(request(scene, { ...small, addressCount: 3 }));
      const refusal: unknown = await provider
        .assignAddresses({ token: `t${++token}`, id, count: 2 })
        .catch((error: unknown) => error);
      expect(isExhausted(refusal)).toBe(true);
      expect(await provider.assignAddresses({ token: `t${++token}`, id, count: 1 })).toHaveLength(1);
      const last: unknown = await provider
        .createInterface(request(scene, small))
        .catch((error: unknown) => error);
      expect(isExhausted(last)).toBe(true);
    });

    it("takes the very address that is asked for, once", async () => {
      const scene = open();
      const { provider, smallVSwitchID } = scene;
      const one = { vSwitchID: smallVSwitchID, address: "10.9.0.2" };
      expect((await provider.createInterface(request(scene, one))).addresses).toEqual(["10.9.0.2"]);
      expect(await codeOf(provider.createInterface(request(scene, one)))).toBe("InvalidIp.IpAssigned");
    });

    it("refuses what does not exist", async () => {
      const scene = open();
      const { provider } = scene;
      expect(await codeOf(provider.createInterface(request(scene, { vSwitchID: "vsw-none" })))).toBe(
        "InvalidVSwitchId.NotFound",
      );
      expect(await codeOf(provider.createInterface(request(scene, { securityGroupIDs: ["sg-none"] })))).toBe(
        "InvalidSecurityGroupId.NotFound",
      );
    });
  });
}
