// The checks of networking.k8s.io/v1, in its own words.
import * as z from "zod";
import { cidrCovers, looseCidr } from "../../../base/ip.ts";
import { complain } from "../../forms.ts";
import { fields, labelSelector, metadata, policyCidr, protocol, schemaOf } from "../../schema.ts";
import { whyNotPortName } from "../../words.ts";
import type { NetworkPolicy } from "../network-policy.ts";

const port = fields({
  protocol: protocol.exactOptional(),
  port: z.union([z.number(), z.string()]).exactOptional(),
  endPort: z.number().exactOptional(),
}).superRefine((one, context) => {
  const bad = (path: "port" | "endPort", why: string) => complain(context, "networkpolicy.port", [path], why);
  const inBounds = (value: number) => Number.isInteger(value) && value >= 1 && value <= 65_535;
  if (typeof one.port === "number" && !inBounds(one.port))
    bad("port", `must be between 1 and 65535, inclusive; it is ${one.port}`);
  if (typeof one.port === "string") {
    const why = whyNotPortName(one.port);
    const digits = /^\d+$/.test(one.port);
    if (why !== undefined) bad("port", digits ? `${why}; a number is written without quotes` : why);
  }
  if (one.endPort === undefined) return;
  if (one.port === undefined) bad("endPort", "may not be specified when `port` is not specified");
  else if (typeof one.port === "string") bad("endPort", "may not be specified when `port` is non-numeric");
  else if (!inBounds(one.endPort))
    bad("endPort", `must be between 1 and 65535, inclusive; it is ${one.endPort}`);
  else if (one.endPort < one.port) bad("endPort", "must be greater than or equal to `port`");
});

const ipBlock = fields({
  cidr: policyCidr,
  except: z.array(policyCidr).exactOptional(),
}).superRefine((block, context) => {
  const outer = looseCidr(block.cidr);
  for (const [at, inner] of (block.except ?? []).map(looseCidr).entries()) {
    if (!outer || !inner) continue;
    if (!cidrCovers(outer, inner) || inner.length === outer.length)
      complain(context, "networkpolicy.except", ["except", at], "must be a strict subset of `cidr`");
  }
});

const peer = fields({
  podSelector: labelSelector.exactOptional(),
  namespaceSelector: labelSelector.exactOptional(),
  ipBlock: ipBlock.exactOptional(),
}).superRefine((one, context) => {
  const selects = one.podSelector !== undefined || one.namespaceSelector !== undefined;
  if (one.ipBlock && selects)
    complain(context, "networkpolicy.peer", [], "may not specify both ipBlock and another peer");
  if (!one.ipBlock && !selects)
    complain(
      context,
      "networkpolicy.peer",
      [],
      "must specify a peer: podSelector, namespaceSelector or ipBlock",
      "To mean everybody, leave the whole list out",
    );
});

const ports = z.array(port).exactOptional();

export const networkPolicySchema = schemaOf<NetworkPolicy>()(
  fields(
    {
      apiVersion: z.string(),
      kind: z.literal("NetworkPolicy"),
      metadata: metadata(),
      spec: fields({
        podSelector: labelSelector.exactOptional(),
        policyTypes: z
          .array(z.enum(["Ingress", "Egress"]))
          .superRefine((types, context) => {
            if (types.length > 2)
              complain(context, "networkpolicy.types", [], "may not specify more than two policyTypes");
          })
          .exactOptional(),
        ingress: z.array(fields({ from: z.array(peer).exactOptional(), ports })).exactOptional(),
        egress: z.array(fields({ to: z.array(peer).exactOptional(), ports })).exactOptional(),
      }).default({}),
    },
    "status",
  ),
);
