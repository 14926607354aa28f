import { describe, expect, it } from "vitest";
import { podOf } from "./args.ts";

describe("podOf", () => {
  it("reads what Kubernetes' runtimes write", () => {
    const args =
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=a.b-1;K8S_POD_UID=u-1;K8S_POD_INFRA_CONTAINER_ID=c";
    expect(podOf(args)).toEqual({ namespace: "ns", name: "a.b-1", uid: "u-1" });
  });

  it("knows no pod without both names, or with names that no pod can have", () => {
    expect(podOf("")).toBeUndefined();
    expect(podOf("K8S_POD_NAME=a")).toBeUndefined();
    expect(podOf("K8S_POD_NAMESPACE=..;K8S_POD_NAME=a")).toBeUndefined();
    expect(podOf("K8S_POD_NAMESPACE=ns;K8S_POD_NAME=a/b")).toBeUndefined();
  });

  it("drops a uid that is none", () => {
    expect(podOf("K8S_POD_NAMESPACE=ns;K8S_POD_NAME=a;K8S_POD_UID=../x")?.uid).toBe("");
  });
});
