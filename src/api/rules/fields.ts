// Rules about one field by itself: the words that it may be, the bounds of a number, whether it may be left out.
// (Kubernetes 1.37, pkg/apis/core/validation and its neighbours.)

/** `Type.field`: the words that it may be. */
const words: Readonly<Record<string, string>> = {
  "PodSpec.restartPolicy": "Always OnFailure Never",
  "PodSpec.dnsPolicy": "ClusterFirst ClusterFirstWithHostNet Default None",
  "PodSpec.preemptionPolicy": "PreemptLowerPriority Never",
  "PodOS.name": "linux windows",
  "Container.imagePullPolicy": "Always IfNotPresent Never",
  "Container.terminationMessagePolicy": "File FallbackToLogsOnError",
  "Container.restartPolicy": "Always OnFailure Never",
  "ContainerPort.protocol": "TCP UDP SCTP",
  "ContainerResizePolicy.resourceName": "cpu memory",
  "ContainerResizePolicy.restartPolicy": "NotRequired RestartContainer",
  "ContainerRestartRule.action": "Restart RestartAllContainers",
  "ContainerRestartRuleOnExitCodes.operator": "In NotIn",
  "HTTPGetAction.scheme": "HTTP HTTPS",
  "Taint.effect": "NoSchedule PreferNoSchedule NoExecute",
  "Toleration.effect": "NoSchedule PreferNoSchedule NoExecute",
  "TopologySpreadConstraint.whenUnsatisfiable": "DoNotSchedule ScheduleAnyway",
  "TopologySpreadConstraint.nodeAffinityPolicy": "Honor Ignore",
  "TopologySpreadConstraint.nodeTaintsPolicy": "Honor Ignore",
  "SecurityContext.procMount": "Default Unmasked",
  "SeccompProfile.type": "RuntimeDefault Unconfined Localhost",
  "AppArmorProfile.type": "RuntimeDefault Unconfined Localhost",
  "PodSecurityContext.fsGroupChangePolicy": "OnRootMismatch Always",
  "PodSecurityContext.supplementalGroupsPolicy": "Merge Strict",
  "PodSecurityContext.seLinuxChangePolicy": "MountOption Recursive",
  "VolumeMount.mountPropagation": "None HostToContainer Bidirectional",
  "VolumeMount.recursiveReadOnly": "Disabled IfPossible Enabled",
  "ImageVolumeSource.pullPolicy": "Always IfNotPresent Never",
  "DeploymentStrategy.type": "Recreate RollingUpdate",
  "DaemonSetUpdateStrategy.type": "RollingUpdate OnDelete",
  "StatefulSetUpdateStrategy.type": "RollingUpdate OnDelete",
  "StatefulSetSpec.podManagementPolicy": "OrderedReady Parallel",
  "StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted": "Retain Delete",
  "StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled": "Retain Delete",
  "CronJobSpec.concurrencyPolicy": "Allow Forbid Replace",
  "JobSpec.completionMode": "NonIndexed Indexed",
  "JobSpec.podReplacementPolicy": "TerminatingOrFailed Failed",
  "PodFailurePolicyRule.action": "FailJob FailIndex Ignore Count",
  "PodFailurePolicyOnExitCodesRequirement.operator": "In NotIn",
  "PodFailurePolicyOnPodConditionsPattern.status": "True False Unknown",
};

/** `Type`: fields that must be there and not be empty. */
const required: Readonly<Record<string, string>> = {
  PodOS: "name",
  HostAlias: "ip",
  EnvVar: "name",
  VolumeMount: "name mountPath",
  VolumeDevice: "name devicePath",
  Volume: "name",
  ConfigMapKeySelector: "key",
  SecretKeySelector: "key",
  FileKeySelector: "volumeName path key",
  ObjectFieldSelector: "fieldPath",
  ResourceFieldSelector: "resource",
  PodDNSConfigOption: "name",
  PodAffinityTerm: "topologyKey",
  TopologySpreadConstraint: "topologyKey whenUnsatisfiable",
  SeccompProfile: "type",
  AppArmorProfile: "type",
  Taint: "key effect",
  PodResourceClaim: "name",
  ResourceClaim: "name",
  CronJobSpec: "schedule",
  ContainerRestartRule: "action",
  ContainerResizePolicy: "resourceName restartPolicy",
  PodFailurePolicyRule: "action",
  PodFailurePolicyOnExitCodesRequirement: "operator",
  PodFailurePolicyOnPodConditionsPattern: "status",
  HostPathVolumeSource: "path",
  SecretVolumeSource: "secretName",
  ConfigMapVolumeSource: "name",
  PersistentVolumeClaimVolumeSource: "claimName",
  NFSVolumeSource: "server path",
  KeyToPath: "key path",
  CSIVolumeSource: "driver",
  DownwardAPIVolumeFile: "path",
  GitRepoVolumeSource: "repository",
  GlusterfsVolumeSource: "endpoints path",
  CinderVolumeSource: "volumeID",
  AWSElasticBlockStoreVolumeSource: "volumeID",
  GCEPersistentDiskVolumeSource: "pdName",
  AzureFileVolumeSource: "secretName shareName",
  AzureDiskVolumeSource: "diskName diskURI",
  FlexVolumeSource: "driver",
  PhotonPersistentDiskVolumeSource: "pdID",
  PortworxVolumeSource: "volumeID",
  ScaleIOVolumeSource: "gateway system secretRef volumeName",
  StorageOSVolumeSource: "volumeName",
  VsphereVirtualDiskVolumeSource: "volumePath",
  QuobyteVolumeSource: "registry volume",
  RBDVolumeSource: "monitors image",
  CephFSVolumeSource: "monitors",
  ISCSIVolumeSource: "targetPortal iqn",
};

const anyCount = "0 2147483647";
/** `Type.field`: the least and the greatest number. */
const bounds: Readonly<Record<string, string>> = {
  "PodSpec.activeDeadlineSeconds": "1 2147483647",
  "ContainerPort.containerPort": "1 65535",
  "ContainerPort.hostPort": "1 65535",
  "Probe.initialDelaySeconds": anyCount,
  "Probe.timeoutSeconds": anyCount,
  "Probe.periodSeconds": anyCount,
  "Probe.successThreshold": anyCount,
  "Probe.failureThreshold": anyCount,
  "Probe.terminationGracePeriodSeconds": "1 9223372036854775807",
  "PreferredSchedulingTerm.weight": "1 100",
  "WeightedPodAffinityTerm.weight": "1 100",
  "TopologySpreadConstraint.maxSkew": "1 2147483647",
  "TopologySpreadConstraint.minDomains": "1 2147483647",
  "SecurityContext.runAsUser": anyCount,
  "SecurityContext.runAsGroup": anyCount,
  "PodSecurityContext.runAsUser": anyCount,
  "PodSecurityContext.runAsGroup": anyCount,
  "PodSecurityContext.fsGroup": anyCount,
  "DeploymentSpec.replicas": anyCount,
  "DeploymentSpec.minReadySeconds": anyCount,
  "DeploymentSpec.revisionHistoryLimit": anyCount,
  "DeploymentSpec.progressDeadlineSeconds": anyCount,
  "ReplicaSetSpec.replicas": anyCount,
  "ReplicaSetSpec.minReadySeconds": anyCount,
  "ReplicationControllerSpec.replicas": anyCount,
  "ReplicationControllerSpec.minReadySeconds": anyCount,
  "StatefulSetSpec.replicas": anyCount,
  "StatefulSetSpec.minReadySeconds": anyCount,
  "StatefulSetOrdinals.start": anyCount,
  "RollingUpdateStatefulSetStrategy.partition": anyCount,
  "DaemonSetSpec.minReadySeconds": anyCount,
  "DaemonSetSpec.revisionHistoryLimit": anyCount,
  "JobSpec.parallelism": anyCount,
  "JobSpec.completions": anyCount,
  "JobSpec.activeDeadlineSeconds": "0 9223372036854775807",
  "JobSpec.backoffLimit": anyCount,
  "JobSpec.backoffLimitPerIndex": anyCount,
  "JobSpec.maxFailedIndexes": anyCount,
  "JobSpec.ttlSecondsAfterFinished": anyCount,
  "CronJobSpec.startingDeadlineSeconds": "0 9223372036854775807",
  "CronJobSpec.successfulJobsHistoryLimit": anyCount,
  "CronJobSpec.failedJobsHistoryLimit": anyCount,
};

type Told = (field: string, message: string) => void;

/** Reports what is wrong with single fields of a part of an object. */
export function checkFields(type: string, value: Readonly<Record<string, unknown>>, tell: Told): void {
  for (const [field, inner] of Object.entries(value)) {
    const allowed = words[`${type}.${field}`]?.split(" ");
    if (allowed && !allowed.includes(String(inner)))
      tell(
        field,
        `must be ${allowed.length === 1 ? allowed[0] : `one of ${allowed.join(", ")}`}; it is '${String(inner)}'`,
      );
    const [least, most] = bounds[`${type}.${field}`]?.split(" ").map(Number) ?? [];
    if (least === undefined || most === undefined || typeof inner !== "number") continue;
    if (inner < least || inner > most) tell(field, `must be ${between(least, most)}; it is ${inner}`);
  }
  for (const field of required[type]?.split(" ") ?? []) {
    const inner = value[field];
    if (inner === undefined || inner === "" || (Array.isArray(inner) && inner.length === 0))
      tell(field, "is missing");
  }
}

function between(least: number, most: number): string {
  if (most >= 2 ** 31 - 1) return least === 0 ? "0 or more" : `${least} or more`;
  return `between ${least} and ${most}, inclusive`;
}
