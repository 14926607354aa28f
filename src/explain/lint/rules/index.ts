// All lint rules, by id. An id is never reused: a rule that goes leaves its number free for ever.
import type { Rule } from "../rule.ts";
import { selectsNothing } from "./tl001-selects-nothing.ts";
import { peerSelectsNothing } from "./tl002-peer-selects-nothing.ts";
import { labelTypo } from "./tl003-label-typo.ts";
import { shadowedRule } from "./tl004-shadowed-rule.ts";
import { duplicatePolicy } from "./tl005-duplicate-policy.ts";
import { duplicateObject } from "./tl006-duplicate-object.ts";
import { egressWithoutDns } from "./tl007-egress-without-dns.ts";
import { directionNotListed } from "./tl008-direction-not-listed.ts";
import { badPortRange } from "./tl009-bad-port-range.ts";
import { exceptCoversCidr } from "./tl010-except-covers-cidr.ts";
import { ipBlockInPodRange } from "./tl011-ip-block-in-pod-range.ts";
import { oneFamilyOnly } from "./tl012-one-family-only.ts";
import { selectorsInTwoItems } from "./tl013-selectors-in-two-items.ts";
import { separatePortsItem } from "./tl014-separate-ports-item.ts";
import { hostNetworkSelected } from "./tl015-host-network-selected.ts";
import { namedPortUnknown } from "./tl016-named-port-unknown.ts";
import { sctp } from "./tl017-sctp.ts";
import { namespaceWithoutPolicy } from "./tl018-namespace-without-policy.ts";
import { poolOverlap } from "./tl019-pool-overlap.ts";
import { badRange } from "./tl020-bad-range.ts";
import { policiesSwitchedOff } from "./tl021-policies-switched-off.ts";
import { namedPortOutside } from "./tl022-named-port-outside.ts";
import { masqueradeConfig } from "./tl023-masquerade-config.ts";
import { badObject } from "./tl024-bad-object.ts";
import { unknownField } from "./tl025-unknown-field.ts";
import { unknownKind } from "./tl026-unknown-kind.ts";
import { nothingBehind } from "./tl027-nothing-behind.ts";
import { noSpec } from "./tl028-no-spec.ts";
import { peerAs } from "./tl029-peer-as.ts";
import { bgpReference } from "./tl030-bgp-reference.ts";
import { reflectorWithoutClients } from "./tl031-reflector-without-clients.ts";
import { announcedPool } from "./tl032-announced-pool.ts";
import { nodeAddressShared } from "./tl033-node-address.ts";
import { tunnelKernel } from "./tl034-tunnel-kernel.ts";
import { overlayUnnamed } from "./tl035-overlay-unnamed.ts";
import { overlayMissing } from "./tl036-overlay-missing.ts";
import { networkSelectsNothing } from "./tl037-network-selects-nothing.ts";
import { networksOverlap } from "./tl038-networks-overlap.ts";
import { vswitchZones } from "./tl039-vswitch-zones.ts";
import { rangeNotAdmitted } from "./tl040-range-not-admitted.ts";
import { hostPortUnled } from "./tl041-host-port-unled.ts";

export const rules: readonly Rule[] = [
  selectsNothing,
  peerSelectsNothing,
  labelTypo,
  shadowedRule,
  duplicatePolicy,
  duplicateObject,
  egressWithoutDns,
  directionNotListed,
  badPortRange,
  exceptCoversCidr,
  ipBlockInPodRange,
  oneFamilyOnly,
  selectorsInTwoItems,
  separatePortsItem,
  hostNetworkSelected,
  namedPortUnknown,
  sctp,
  namespaceWithoutPolicy,
  poolOverlap,
  badRange,
  policiesSwitchedOff,
  namedPortOutside,
  masqueradeConfig,
  badObject,
  unknownField,
  unknownKind,
  nothingBehind,
  noSpec,
  peerAs,
  bgpReference,
  reflectorWithoutClients,
  announcedPool,
  nodeAddressShared,
  tunnelKernel,
  overlayUnnamed,
  overlayMissing,
  networkSelectsNothing,
  networksOverlap,
  vswitchZones,
  rangeNotAdmitted,
  hostPortUnled,
];
