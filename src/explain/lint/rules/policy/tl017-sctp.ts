import type { Rule } from "../../rule.ts";

export const sctp: Rule = {
  id: "TL017",
  name: "sctp",
  severity: "info",
  summary: "a rule is about SCTP, which many kernels have no sockets for",
  explanation:
    "SCTP needs the nodes' kernel to load the sctp module, which distributions often leave out or forbid. A policy that " +
    "has only SCTP rules still isolates its pods for TCP and UDP.",
  *check(view) {
    for (const policy of view.policies) {
      const found = policy.rules.flatMap((rule) =>
        (rule.ports ?? []).flatMap((port, index) =>
          port?.protocol === "SCTP" ? [[...rule.path, "ports", index, "protocol"]] : [],
        ),
      );
      const [path] = found;
      if (!path) continue;
      yield {
        on: policy.on,
        path,
        message: `policy ${policy.name} has ${found.length === 1 ? "a rule" : `${found.length} ports`} for SCTP`,
        fix: "Make sure that the nodes' kernel has SCTP (modprobe sctp), or write TCP if that was meant.",
      };
    }
  },
};
