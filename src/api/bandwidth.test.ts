import { describe, expect, it } from "vitest";
import { bandwidthOf, bitRateText } from "./bandwidth.ts";

const rate = (annotation: string, value: string) => {
  const { limits, faults } = bandwidthOf({ [annotation]: value });
  return faults[0]?.why ?? limits.ingress?.bytesPerSecond ?? limits.egress?.bytesPerSecond;
};

describe("a pod's bandwidth", () => {
  it("is nothing where nobody says anything", () => {
    expect(bandwidthOf(undefined)).toEqual({ limits: {}, faults: [] });
    expect(bandwidthOf({ "k8s.aliyun.com/ingress-bandwidth": " " })).toEqual({ limits: {}, faults: [] });
  });

  it.each([
    ["10M", 1_250_000],
    ["1k", 125],
    ["1Ki", 128],
    ["1e6", 125_000],
    ["1.5G", 187_500_000],
    ["1P", 125e12],
  ])("is in bits by Kubernetes' annotation: %s", (value, bytes) => {
    expect(rate("kubernetes.io/ingress-bandwidth", value)).toBe(bytes);
  });

  it.each([
    ["10M", 10 * 1024 ** 2],
    ["10mb", 10 * 1024 ** 2],
    ["1.5KiB", 1536],
    [" 200 B ", 200],
    ["1G", 1024 ** 3],
  ])("is in bytes by Terway's: %s", (value, bytes) => {
    expect(rate("k8s.aliyun.com/egress-bandwidth", value)).toBe(bytes);
  });

  it.each(["", "ten", "10Mbit", "999", "2P", "-5M", "10 M", "NaN", "1e"])(
    "is refused with the reason: Kubernetes' %j",
    (value) => {
      expect(rate("kubernetes.io/egress-bandwidth", value)).toMatch(/it is to be/);
    },
  );

  // Terway's daemon panics on a number without a unit, takes others, and only tells of the rest.
  it.each(["1000", "M", "10X", "-1M", "0K", "1e3K", "500T"])("is refused: Terway's %j", (value) => {
    expect(rate("k8s.aliyun.com/ingress-bandwidth", value)).toMatch(/it is to be/);
  });

  it("is Kubernetes' where both families say something of one direction", () => {
    const { limits } = bandwidthOf({
      "k8s.aliyun.com/ingress-bandwidth": "1M",
      "kubernetes.io/ingress-bandwidth": "8k",
      "k8s.aliyun.com/egress-bandwidth": "1K",
    });
    expect(limits).toEqual({
      ingress: { bytesPerSecond: 1000, annotation: "kubernetes.io/ingress-bandwidth" },
      egress: { bytesPerSecond: 1024, annotation: "k8s.aliyun.com/egress-bandwidth" },
    });
  });

  it("is told in bits", () => {
    expect(bitRateText(1_250_000)).toBe("10 Mbit/s");
    expect(bitRateText(128)).toBe("1.024 kbit/s");
    expect(bitRateText(125e12)).toBe("1 Pbit/s");
  });
});
