// All lint rules, by id. An id is never reused: a rule that goes leaves its number free for ever.
import type { Rule } from "../rule.ts";
import { duplicateObject } from "./manifests/tl006-duplicate-object.ts";
import { badRange } from "./manifests/tl020-bad-range.ts";
import { badObject } from "./manifests/tl024-bad-object.ts";
import { unknownField } from "./manifests/tl025-unknown-field.ts";
import { unknownKind } from "./manifests/tl026-unknown-kind.ts";
import { nothingBehind } from "./manifests/tl027-nothing-behind.ts";
import { noSpec } from "./manifests/tl028-no-spec.ts";
import { selectsNothing } from "./policy/tl001-selects-nothing.ts";
import { peerSelectsNothing } from "./policy/tl002-peer-selects-nothing.ts";
import { labelTypo } from "./policy/tl003-label-typo.ts";
import { shadowedRule } from "./policy/tl004-shadowed-rule.ts";
import { duplicatePolicy } from "./policy/tl005-duplicate-policy.ts";
import { egressWithoutDns } from "./policy/tl007-egress-without-dns.ts";
import { directionNotListed } from "./policy/tl008-direction-not-listed.ts";
import { badPortRange } from "./policy/tl009-bad-port-range.ts";
import { exceptCoversCidr } from "./policy/tl010-except-covers-cidr.ts";
import { ipBlockInPodRange } from "./policy/tl011-ip-block-in-pod-range.ts";
import { oneFamilyOnly } from "./policy/tl012-one-family-only.ts";
import { selectorsInTwoItems } from "./policy/tl013-selectors-in-two-items.ts";
import { separatePortsItem } from "./policy/tl014-separate-ports-item.ts";
import { hostNetworkSelected } from "./policy/tl015-host-network-selected.ts";
import { namedPortUnknown } from "./policy/tl016-named-port-unknown.ts";
import { sctp } from "./policy/tl017-sctp.ts";
import { namespaceWithoutPolicy } from "./policy/tl018-namespace-without-policy.ts";
import { policiesSwitchedOff } from "./policy/tl021-policies-switched-off.ts";
import { namedPortOutside } from "./policy/tl022-named-port-outside.ts";
import { stageMisspelt } from "./policy/tl043-stage-misspelt.ts";
import { poolOverlap } from "./pools/tl019-pool-overlap.ts";
import { masqueradeConfig } from "./pools/tl023-masquerade-config.ts";
import { hostPortUnled } from "./pools/tl041-host-port-unled.ts";
import { injectorAnnotations } from "./pools/tl042-injector-annotations.ts";
import { peerAs } from "./routing/tl029-peer-as.ts";
import { bgpReference } from "./routing/tl030-bgp-reference.ts";
import { reflectorWithoutClients } from "./routing/tl031-reflector-without-clients.ts";
import { announcedPool } from "./routing/tl032-announced-pool.ts";
import { nodeAddressShared } from "./routing/tl033-node-address.ts";
import { tunnelKernel } from "./routing/tl034-tunnel-kernel.ts";
import { overlayUnnamed } from "./subnets/tl035-overlay-unnamed.ts";
import { overlayMissing } from "./subnets/tl036-overlay-missing.ts";
import { networkSelectsNothing } from "./subnets/tl037-network-selects-nothing.ts";
import { networksOverlap } from "./subnets/tl038-networks-overlap.ts";
import { vswitchZones } from "./subnets/tl039-vswitch-zones.ts";
import { rangeNotAdmitted } from "./subnets/tl040-range-not-admitted.ts";

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
  injectorAnnotations,
  stageMisspelt,
];
