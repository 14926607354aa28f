import { expect, it } from "vitest";
import { signed } from "./signature.ts";

it("signs as Alibaba Cloud's documentation does in its example", () => {
  const { query, headers } = signed(
    {
      host: "ecs.cn-shanghai.aliyuncs.com",
      action: "RunInstances",
      version: "2014-05-26",
      parameters: { RegionId: "cn-shanghai", ImageId: "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd" },
      now: Date.parse("2023-10-26T10:22:32Z"),
      nonce: "3156853299f313e23d1673dc12e1703d",
    },
    { id: "YourAccessKeyId", secret: "YourAccessKeySecret" },
  );
  expect(query).toBe("ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai");
  expect(headers["authorization"]).toBe(
    "ACS3-HMAC-SHA256 Credential=YourAccessKeyId," +
      "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version," +
      "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
  );
});

it("writes what is not plain by its bytes, and signs a lent key's token", () => {
  const call = { host: "h", action: "A", version: "v", now: 0, nonce: "n" };
  const { query, headers } = signed(
    { ...call, parameters: { "Tag.1.Value": "a b*~'ü/+" } },
    { id: "i", secret: "s", token: "t" },
  );
  expect(query).toBe("Tag.1.Value=a%20b%2A~%27%C3%BC%2F%2B");
  expect(headers["authorization"]).toContain("x-acs-security-token");
});
