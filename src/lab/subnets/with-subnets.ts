// A lab's subnets as networks: each is a wire of its own, and the lab's first router has its gateway's address on it. All
// other routers know the way to it.
import { subnetGateway } from "../../api/subnets.ts";
import { cidrContains, parseCidr, parseIp } from "../../base/ip.ts";
import type { LabFile, LabNetwork } from "../file/lab-file.ts";
import type { LabRouter } from "../file/router.ts";

const MTU = 1500;

/** Returns the lab with its subnets among its networks. */
export function withSubnets(lab: LabFile): LabFile {
  const [first, ...others] = lab.routers;
  if (lab.subnets.length === 0 || !first) return lab;
  const networks = lab.subnets.map(({ id, cidr }): LabNetwork => ({ name: id, cidrs: [cidr], mtu: MTU }));
  const gateways = lab.subnets.map(subnetGateway);
  const central = { ...first, addresses: [...first.addresses, ...gateways] };
  return {
    ...lab,
    networks: [...lab.networks, ...networks],
    routers: [central, ...others.map((router) => knowing(lab, router, first))],
  };
}

function knowing(lab: LabFile, router: LabRouter, central: LabRouter): LabRouter {
  const shared = lab.networks
    .flatMap(({ cidrs }) => cidrs.map(parseCidr))
    .filter(
      (range) => range.family === 4 && router.addresses.some((own) => cidrContains(range, parseIp(own))),
    )
    .flatMap((range) => central.addresses.find((one) => cidrContains(range, parseIp(one))) ?? []);
  const [via] = shared;
  // Without a network in common it is for the lab file to say the way.
  if (via === undefined) return router;
  return { ...router, routes: [...router.routes, ...lab.subnets.map(({ cidr }) => ({ to: cidr, via }))] };
}
