// The fields of Kubernetes 1.37's own types, printed by scripts/kubernetes/fields from the Go types of k8s.io/api; do not
// edit. A line is a type; a field is NAME MARK : TYPE. The mark says what an absent field is to the server: `*` told
// apart from every value (a pointer), none: the same as its zero value, `!`: its zero value, which is written out.

export const kubernetesFields = `
Namespace kind:text apiVersion:text metadata:ObjectMeta spec:NamespaceSpec status:NamespaceStatus
Node kind:text apiVersion:text metadata:ObjectMeta spec:NodeSpec status:NodeStatus
Pod kind:text apiVersion:text metadata:ObjectMeta spec:PodSpec status:PodStatus
ConfigMap kind:text apiVersion:text metadata:ObjectMeta immutable*:bool data:{}text binaryData:{}bytes
ReplicationController kind:text apiVersion:text metadata:ObjectMeta spec:ReplicationControllerSpec status:ReplicationControllerStatus
ReplicaSet kind:text apiVersion:text metadata:ObjectMeta spec:ReplicaSetSpec status:ReplicaSetStatus
Deployment kind:text apiVersion:text metadata:ObjectMeta spec:DeploymentSpec status:DeploymentStatus
StatefulSet kind:text apiVersion:text metadata:ObjectMeta spec:StatefulSetSpec status:StatefulSetStatus
DaemonSet kind:text apiVersion:text metadata:ObjectMeta spec:DaemonSetSpec status:DaemonSetStatus
Job kind:text apiVersion:text metadata:ObjectMeta spec:JobSpec status:JobStatus
CronJob kind:text apiVersion:text metadata:ObjectMeta spec:CronJobSpec status:CronJobStatus
NetworkPolicy kind:text apiVersion:text metadata:ObjectMeta spec:NetworkPolicySpec
ObjectMeta name:text generateName:text namespace:text selfLink:text uid:text resourceVersion:text generation:int64 creationTimestamp:time deletionTimestamp*:time deletionGracePeriodSeconds*:int64 labels:{}text annotations:{}text ownerReferences:[]OwnerReference finalizers:[]text managedFields:[]ManagedFieldsEntry
NamespaceSpec finalizers:[]text
NamespaceStatus phase:text conditions:[]NamespaceCondition
NodeSpec podCIDR:text podCIDRs:[]text providerID:text unschedulable:bool taints:[]Taint configSource*:NodeConfigSource externalID:text podPreemptionPolicy*:NodePodPreemptionPolicy
NodeStatus capacity:{}quantity allocatable:{}quantity phase:text conditions:[]NodeCondition addresses:[]NodeAddress daemonEndpoints:NodeDaemonEndpoints nodeInfo:NodeSystemInfo images:[]ContainerImage volumesInUse:[]text volumesAttached:[]AttachedVolume config*:NodeConfigStatus runtimeHandlers:[]NodeRuntimeHandler features*:NodeFeatures declaredFeatures:[]text
PodSpec volumes:[]Volume initContainers:[]Container containers!:[]Container ephemeralContainers:[]EphemeralContainer restartPolicy:text terminationGracePeriodSeconds*:int64 activeDeadlineSeconds*:int64 dnsPolicy:text nodeSelector:{}text serviceAccountName:text serviceAccount:text automountServiceAccountToken*:bool nodeName:text hostNetwork:bool hostPID:bool hostIPC:bool shareProcessNamespace*:bool securityContext*:PodSecurityContext imagePullSecrets:[]LocalObjectReference hostname:text subdomain:text affinity*:Affinity schedulerName:text tolerations:[]Toleration hostAliases:[]HostAlias priorityClassName:text priority*:int32 dnsConfig*:PodDNSConfig readinessGates:[]PodReadinessGate runtimeClassName*:text enableServiceLinks*:bool preemptionPolicy*:text overhead:{}quantity topologySpreadConstraints:[]TopologySpreadConstraint setHostnameAsFQDN*:bool os*:PodOS hostUsers*:bool schedulingGates:[]PodSchedulingGate resourceClaims:[]PodResourceClaim resources*:ResourceRequirements hostnameOverride*:text schedulingGroup*:PodSchedulingGroup evictionResponders:[]EvictionResponder
PodStatus observedGeneration:int64 phase:text conditions:[]PodCondition message:text reason:text nominatedNodeName:text hostIP:text hostIPs:[]HostIP podIP:text podIPs:[]PodIP startTime*:time initContainerStatuses:[]ContainerStatus containerStatuses:[]ContainerStatus qosClass:text ephemeralContainerStatuses:[]ContainerStatus resize:text resourceClaimStatuses:[]PodResourceClaimStatus extendedResourceClaimStatus*:PodExtendedResourceClaimStatus allocatedResources:{}quantity resources*:ResourceRequirements nodeAllocatableResourceClaimStatuses:[]NodeAllocatableResourceClaimStatus volumeHealth:[]PodVolumeHealth
ReplicationControllerSpec replicas*:int32 minReadySeconds:int32 selector:{}text template*:PodTemplateSpec
ReplicationControllerStatus replicas!:int32 fullyLabeledReplicas:int32 readyReplicas:int32 availableReplicas:int32 observedGeneration:int64 conditions:[]ReplicationControllerCondition
ReplicaSetSpec replicas*:int32 minReadySeconds:int32 selector*:LabelSelector template:PodTemplateSpec
ReplicaSetStatus replicas!:int32 fullyLabeledReplicas:int32 readyReplicas:int32 availableReplicas:int32 terminatingReplicas*:int32 observedGeneration:int64 conditions:[]ReplicaSetCondition
DeploymentSpec replicas*:int32 selector*:LabelSelector template!:PodTemplateSpec strategy:DeploymentStrategy minReadySeconds:int32 revisionHistoryLimit*:int32 paused:bool progressDeadlineSeconds*:int32
DeploymentStatus observedGeneration:int64 replicas:int32 updatedReplicas:int32 readyReplicas:int32 availableReplicas:int32 unavailableReplicas:int32 terminatingReplicas*:int32 conditions:[]DeploymentCondition collisionCount*:int32
StatefulSetSpec replicas*:int32 selector*:LabelSelector template!:PodTemplateSpec volumeClaimTemplates:[]PersistentVolumeClaim serviceName!:text podManagementPolicy:text updateStrategy:StatefulSetUpdateStrategy revisionHistoryLimit*:int32 minReadySeconds:int32 persistentVolumeClaimRetentionPolicy*:StatefulSetPersistentVolumeClaimRetentionPolicy ordinals*:StatefulSetOrdinals
StatefulSetStatus observedGeneration:int64 replicas!:int32 readyReplicas:int32 currentReplicas:int32 updatedReplicas:int32 currentRevision:text updateRevision:text collisionCount*:int32 conditions:[]StatefulSetCondition availableReplicas!:int32
DaemonSetSpec selector*:LabelSelector template!:PodTemplateSpec updateStrategy:DaemonSetUpdateStrategy minReadySeconds:int32 revisionHistoryLimit*:int32
DaemonSetStatus currentNumberScheduled!:int32 numberMisscheduled!:int32 desiredNumberScheduled!:int32 numberReady!:int32 observedGeneration:int64 updatedNumberScheduled:int32 numberAvailable:int32 numberUnavailable:int32 collisionCount*:int32 conditions:[]DaemonSetCondition
JobSpec parallelism*:int32 completions*:int32 activeDeadlineSeconds*:int64 podFailurePolicy*:PodFailurePolicy successPolicy*:SuccessPolicy backoffLimit*:int32 backoffLimitPerIndex*:int32 maxFailedIndexes*:int32 selector*:LabelSelector manualSelector*:bool template!:PodTemplateSpec ttlSecondsAfterFinished*:int32 completionMode*:text suspend*:bool podReplacementPolicy*:text managedBy*:text scheduling*:JobSchedulingConfiguration
JobStatus conditions:[]JobCondition startTime*:time completionTime*:time active:int32 succeeded:int32 failed:int32 terminating*:int32 completedIndexes:text failedIndexes*:text uncountedTerminatedPods*:UncountedTerminatedPods ready*:int32
CronJobSpec schedule!:text timeZone*:text startingDeadlineSeconds*:int64 concurrencyPolicy:text suspend*:bool jobTemplate!:JobTemplateSpec successfulJobsHistoryLimit*:int32 failedJobsHistoryLimit*:int32
CronJobStatus active:[]ObjectReference lastScheduleTime*:time lastSuccessfulTime*:time
NetworkPolicySpec podSelector!:LabelSelector ingress:[]NetworkPolicyIngressRule egress:[]NetworkPolicyEgressRule policyTypes:[]text
OwnerReference apiVersion!:text kind!:text name!:text uid!:text controller*:bool blockOwnerDeletion*:bool
ManagedFieldsEntry manager:text operation:text apiVersion:text time*:time fieldsType:text fieldsV1*:any subresource:text
NamespaceCondition type!:text status!:text lastTransitionTime:time reason:text message:text
Taint key!:text value:text effect!:text timeAdded*:time
NodeConfigSource configMap*:ConfigMapNodeConfigSource
NodePodPreemptionPolicy disableResizePreemption:[]text
NodeCondition type!:text status!:text lastHeartbeatTime:time lastTransitionTime:time reason:text message:text
NodeAddress type!:text address!:text
NodeDaemonEndpoints kubeletEndpoint:DaemonEndpoint
NodeSystemInfo machineID!:text systemUUID!:text bootID!:text kernelVersion!:text osImage!:text containerRuntimeVersion!:text kubeletVersion!:text kubeProxyVersion!:text operatingSystem!:text architecture!:text swap*:NodeSwapStatus runningInUserNamespace*:bool
ContainerImage names!:[]text sizeBytes:int64
AttachedVolume name!:text devicePath!:text
NodeConfigStatus assigned*:NodeConfigSource active*:NodeConfigSource lastKnownGood*:NodeConfigSource error:text
NodeRuntimeHandler name!:text features*:NodeRuntimeHandlerFeatures
NodeFeatures supplementalGroupsPolicy*:bool
Volume name!:text hostPath*:HostPathVolumeSource emptyDir*:EmptyDirVolumeSource gcePersistentDisk*:GCEPersistentDiskVolumeSource awsElasticBlockStore*:AWSElasticBlockStoreVolumeSource gitRepo*:GitRepoVolumeSource secret*:SecretVolumeSource nfs*:NFSVolumeSource iscsi*:ISCSIVolumeSource glusterfs*:GlusterfsVolumeSource persistentVolumeClaim*:PersistentVolumeClaimVolumeSource rbd*:RBDVolumeSource flexVolume*:FlexVolumeSource cinder*:CinderVolumeSource cephfs*:CephFSVolumeSource flocker*:FlockerVolumeSource downwardAPI*:DownwardAPIVolumeSource fc*:FCVolumeSource azureFile*:AzureFileVolumeSource configMap*:ConfigMapVolumeSource vsphereVolume*:VsphereVirtualDiskVolumeSource quobyte*:QuobyteVolumeSource azureDisk*:AzureDiskVolumeSource photonPersistentDisk*:PhotonPersistentDiskVolumeSource projected*:ProjectedVolumeSource portworxVolume*:PortworxVolumeSource scaleIO*:ScaleIOVolumeSource storageos*:StorageOSVolumeSource csi*:CSIVolumeSource ephemeral*:EphemeralVolumeSource image*:ImageVolumeSource
Container name!:text image:text command:[]text args:[]text workingDir:text ports:[]ContainerPort envFrom:[]EnvFromSource env:[]EnvVar resources:ResourceRequirements resizePolicy:[]ContainerResizePolicy restartPolicy*:text restartPolicyRules:[]ContainerRestartRule volumeMounts:[]VolumeMount volumeDevices:[]VolumeDevice livenessProbe*:Probe readinessProbe*:Probe startupProbe*:Probe lifecycle*:Lifecycle terminationMessagePath:text terminationMessagePolicy:text imagePullPolicy:text securityContext*:SecurityContext stdin:bool stdinOnce:bool tty:bool
EphemeralContainer name!:text image:text command:[]text args:[]text workingDir:text ports:[]ContainerPort envFrom:[]EnvFromSource env:[]EnvVar resources:ResourceRequirements resizePolicy:[]ContainerResizePolicy restartPolicy*:text restartPolicyRules:[]ContainerRestartRule volumeMounts:[]VolumeMount volumeDevices:[]VolumeDevice livenessProbe*:Probe readinessProbe*:Probe startupProbe*:Probe lifecycle*:Lifecycle terminationMessagePath:text terminationMessagePolicy:text imagePullPolicy:text securityContext*:SecurityContext stdin:bool stdinOnce:bool tty:bool targetContainerName:text
PodSecurityContext seLinuxOptions*:SELinuxOptions windowsOptions*:WindowsSecurityContextOptions runAsUser*:int64 runAsGroup*:int64 runAsNonRoot*:bool supplementalGroups:[]int64 supplementalGroupsPolicy*:text fsGroup*:int64 sysctls:[]Sysctl fsGroupChangePolicy*:text seccompProfile*:SeccompProfile appArmorProfile*:AppArmorProfile seLinuxChangePolicy*:text
LocalObjectReference name:text
Affinity nodeAffinity*:NodeAffinity podAffinity*:PodAffinity podAntiAffinity*:PodAntiAffinity
Toleration key:text operator:text value:text effect:text tolerationSeconds*:int64
HostAlias ip!:text hostnames:[]text
PodDNSConfig nameservers:[]text searches:[]text options:[]PodDNSConfigOption
PodReadinessGate conditionType!:text
TopologySpreadConstraint maxSkew!:int32 topologyKey!:text whenUnsatisfiable!:text labelSelector*:LabelSelector minDomains*:int32 nodeAffinityPolicy*:text nodeTaintsPolicy*:text matchLabelKeys:[]text
PodOS name!:text
PodSchedulingGate name!:text
PodResourceClaim name!:text resourceClaimName*:text resourceClaimTemplateName*:text
ResourceRequirements limits:{}quantity requests:{}quantity claims:[]ResourceClaim
PodSchedulingGroup podGroupName*:text
EvictionResponder name!:text priority*:int32
PodCondition type!:text observedGeneration:int64 status!:text lastProbeTime:time lastTransitionTime:time reason:text message:text
HostIP ip!:text
PodIP ip!:text
ContainerStatus name!:text state:ContainerState lastState:ContainerState ready!:bool restartCount!:int32 image!:text imageID!:text containerID:text started*:bool allocatedResources:{}quantity resources*:ResourceRequirements volumeMounts:[]VolumeMountStatus user*:ContainerUser allocatedResourcesStatus:[]ResourceStatus stopSignal*:text
PodResourceClaimStatus name!:text resourceClaimName*:text
PodExtendedResourceClaimStatus requestMappings!:[]ContainerExtendedResourceRequest resourceClaimName!:text
NodeAllocatableResourceClaimStatus resourceClaimName!:text containers:[]text mapping:[]NodeAllocatableMappedResources overhead:[]NodeAllocatableOverheadResources
PodVolumeHealth name!:text healthConditions:[]VolumeHealthCondition lastTransitionTime:time
PodTemplateSpec metadata:ObjectMeta spec:PodSpec
ReplicationControllerCondition type!:text status!:text lastTransitionTime:time reason:text message:text
LabelSelector matchLabels:{}text matchExpressions:[]LabelSelectorRequirement
ReplicaSetCondition type!:text status!:text lastTransitionTime:time reason:text message:text
DeploymentStrategy type:text rollingUpdate*:RollingUpdateDeployment
DeploymentCondition type!:text status!:text lastUpdateTime:time lastTransitionTime:time reason:text message:text
PersistentVolumeClaim kind:text apiVersion:text metadata:ObjectMeta spec:PersistentVolumeClaimSpec status:PersistentVolumeClaimStatus
StatefulSetUpdateStrategy type:text rollingUpdate*:RollingUpdateStatefulSetStrategy
StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted:text whenScaled:text
StatefulSetOrdinals start!:int32
StatefulSetCondition type!:text status!:text lastTransitionTime:time reason:text message:text
DaemonSetUpdateStrategy type:text rollingUpdate*:RollingUpdateDaemonSet
DaemonSetCondition type!:text status!:text lastTransitionTime:time reason:text message:text
PodFailurePolicy rules!:[]PodFailurePolicyRule
SuccessPolicy rules!:[]SuccessPolicyRule
JobSchedulingConfiguration schedulingPolicy*:WorkloadPodGroupSchedulingPolicy schedulingConstraints*:WorkloadPodGroupSchedulingConstraints disruptionMode*:WorkloadPodGroupDisruptionMode resourceClaims:[]WorkloadPodGroupResourceClaim
JobCondition type!:text status!:text lastProbeTime:time lastTransitionTime:time reason:text message:text
UncountedTerminatedPods succeeded:[]text failed:[]text
JobTemplateSpec metadata:ObjectMeta spec:JobSpec
ObjectReference kind:text namespace:text name:text uid:text apiVersion:text resourceVersion:text fieldPath:text
NetworkPolicyIngressRule ports:[]NetworkPolicyPort from:[]NetworkPolicyPeer
NetworkPolicyEgressRule ports:[]NetworkPolicyPort to:[]NetworkPolicyPeer
ConfigMapNodeConfigSource namespace!:text name!:text uid:text resourceVersion:text kubeletConfigKey!:text
DaemonEndpoint Port!:int32
NodeSwapStatus capacity*:int64
NodeRuntimeHandlerFeatures recursiveReadOnlyMounts*:bool userNamespaces*:bool
HostPathVolumeSource path!:text type*:text
EmptyDirVolumeSource medium:text sizeLimit*:quantity mode*:int32
GCEPersistentDiskVolumeSource pdName!:text fsType:text partition:int32 readOnly:bool
AWSElasticBlockStoreVolumeSource volumeID!:text fsType:text partition:int32 readOnly:bool
GitRepoVolumeSource repository!:text revision:text directory:text
SecretVolumeSource secretName:text items:[]KeyToPath defaultMode*:int32 optional*:bool defaultUser*:int64
NFSVolumeSource server!:text path!:text readOnly:bool
ISCSIVolumeSource targetPortal!:text iqn!:text lun!:int32 iscsiInterface:text fsType:text readOnly:bool portals:[]text chapAuthDiscovery:bool chapAuthSession:bool secretRef*:LocalObjectReference initiatorName*:text
GlusterfsVolumeSource endpoints!:text path!:text readOnly:bool
PersistentVolumeClaimVolumeSource claimName!:text readOnly:bool
RBDVolumeSource monitors!:[]text image!:text fsType:text pool:text user:text keyring:text secretRef*:LocalObjectReference readOnly:bool
FlexVolumeSource driver!:text fsType:text secretRef*:LocalObjectReference readOnly:bool options:{}text
CinderVolumeSource volumeID!:text fsType:text readOnly:bool secretRef*:LocalObjectReference
CephFSVolumeSource monitors!:[]text path:text user:text secretFile:text secretRef*:LocalObjectReference readOnly:bool
FlockerVolumeSource datasetName:text datasetUUID:text
DownwardAPIVolumeSource items:[]DownwardAPIVolumeFile defaultMode*:int32 defaultUser*:int64
FCVolumeSource targetWWNs:[]text lun*:int32 fsType:text readOnly:bool wwids:[]text
AzureFileVolumeSource secretName!:text shareName!:text readOnly:bool
ConfigMapVolumeSource name:text items:[]KeyToPath defaultMode*:int32 optional*:bool defaultUser*:int64
VsphereVirtualDiskVolumeSource volumePath!:text fsType:text storagePolicyName:text storagePolicyID:text
QuobyteVolumeSource registry!:text volume!:text readOnly:bool user:text group:text tenant:text
AzureDiskVolumeSource diskName!:text diskURI!:text cachingMode*:text fsType*:text readOnly*:bool kind*:text
PhotonPersistentDiskVolumeSource pdID!:text fsType:text
ProjectedVolumeSource sources!:[]VolumeProjection defaultMode*:int32 defaultUser*:int64
PortworxVolumeSource volumeID!:text fsType:text readOnly:bool
ScaleIOVolumeSource gateway!:text system!:text secretRef*:LocalObjectReference sslEnabled:bool protectionDomain:text storagePool:text storageMode:text volumeName:text fsType:text readOnly:bool
StorageOSVolumeSource volumeName:text volumeNamespace:text fsType:text readOnly:bool secretRef*:LocalObjectReference
CSIVolumeSource driver!:text readOnly*:bool fsType*:text volumeAttributes:{}text nodePublishSecretRef*:LocalObjectReference
EphemeralVolumeSource volumeClaimTemplate*:PersistentVolumeClaimTemplate
ImageVolumeSource reference:text pullPolicy:text
ContainerPort name:text hostPort:int32 containerPort!:int32 protocol:text hostIP:text
EnvFromSource prefix:text configMapRef*:ConfigMapEnvSource secretRef*:SecretEnvSource
EnvVar name!:text value:text valueFrom*:EnvVarSource
ContainerResizePolicy resourceName!:text restartPolicy!:text
ContainerRestartRule action:text exitCodes*:ContainerRestartRuleOnExitCodes
VolumeMount name!:text readOnly:bool recursiveReadOnly*:text mountPath!:text subPath:text mountPropagation*:text subPathExpr:text bindMountOptions:[]text
VolumeDevice name!:text devicePath!:text
Probe exec*:ExecAction httpGet*:HTTPGetAction tcpSocket*:TCPSocketAction grpc*:GRPCAction initialDelaySeconds:int32 timeoutSeconds:int32 periodSeconds:int32 successThreshold:int32 failureThreshold:int32 terminationGracePeriodSeconds*:int64
Lifecycle postStart*:LifecycleHandler preStop*:LifecycleHandler stopSignal*:text
SecurityContext capabilities*:Capabilities privileged*:bool seLinuxOptions*:SELinuxOptions windowsOptions*:WindowsSecurityContextOptions runAsUser*:int64 runAsGroup*:int64 runAsNonRoot*:bool readOnlyRootFilesystem*:bool allowPrivilegeEscalation*:bool procMount*:text seccompProfile*:SeccompProfile appArmorProfile*:AppArmorProfile
SELinuxOptions user:text role:text type:text level:text
WindowsSecurityContextOptions gmsaCredentialSpecName*:text gmsaCredentialSpec*:text runAsUserName*:text hostProcess*:bool
Sysctl name!:text value!:text
SeccompProfile type!:text localhostProfile*:text
AppArmorProfile type!:text localhostProfile*:text
NodeAffinity requiredDuringSchedulingIgnoredDuringExecution*:NodeSelector preferredDuringSchedulingIgnoredDuringExecution:[]PreferredSchedulingTerm
PodAffinity requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm
PodAntiAffinity requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm
PodDNSConfigOption name:text value*:text
ResourceClaim name!:text request:text
ContainerState waiting*:ContainerStateWaiting running*:ContainerStateRunning terminated*:ContainerStateTerminated
VolumeMountStatus name!:text mountPath!:text readOnly:bool recursiveReadOnly*:text volumeStatus*:VolumeStatus
ContainerUser linux*:LinuxContainerUser
ResourceStatus name!:text resources:[]ResourceHealth
ContainerExtendedResourceRequest containerName!:text resourceName!:text requestName!:text
NodeAllocatableMappedResources name!:text quantity*:quantity
NodeAllocatableOverheadResources name!:text perPod*:quantity perContainer*:quantity
VolumeHealthCondition status!:text reason!:text message:text
LabelSelectorRequirement key!:text operator!:text values:[]text
RollingUpdateDeployment maxUnavailable*:port maxSurge*:port
PersistentVolumeClaimSpec accessModes:[]text selector*:LabelSelector resources:VolumeResourceRequirements volumeName:text storageClassName*:text volumeMode*:text dataSource*:TypedLocalObjectReference dataSourceRef*:TypedObjectReference volumeAttributesClassName*:text
PersistentVolumeClaimStatus phase:text accessModes:[]text capacity:{}quantity conditions:[]PersistentVolumeClaimCondition allocatedResources:{}quantity allocatedResourceStatuses:{}text currentVolumeAttributesClassName*:text modifyVolumeStatus*:ModifyVolumeStatus healthStatus*:VolumeHealthStatus
RollingUpdateStatefulSetStrategy partition*:int32 maxUnavailable*:port
RollingUpdateDaemonSet maxUnavailable*:port maxSurge*:port
PodFailurePolicyRule action!:text onExitCodes*:PodFailurePolicyOnExitCodesRequirement onPodConditions:[]PodFailurePolicyOnPodConditionsPattern
SuccessPolicyRule succeededIndexes*:text succeededCount*:int32
WorkloadPodGroupSchedulingPolicy basic*:WorkloadPodGroupBasicSchedulingPolicy gang*:WorkloadPodGroupGangSchedulingPolicy
WorkloadPodGroupSchedulingConstraints topology:[]TopologyConstraint
WorkloadPodGroupDisruptionMode single*:WorkloadPodGroupSingleDisruptionMode all*:WorkloadPodGroupAllDisruptionMode
WorkloadPodGroupResourceClaim name!:text resourceClaimName*:text resourceClaimTemplateName*:text
NetworkPolicyPort protocol*:text port*:port endPort*:int32
NetworkPolicyPeer podSelector*:LabelSelector namespaceSelector*:LabelSelector ipBlock*:IPBlock
KeyToPath key!:text path!:text mode*:int32 user*:int64
DownwardAPIVolumeFile path!:text fieldRef*:ObjectFieldSelector resourceFieldRef*:ResourceFieldSelector mode*:int32 user*:int64
VolumeProjection secret*:SecretProjection downwardAPI*:DownwardAPIProjection configMap*:ConfigMapProjection serviceAccountToken*:ServiceAccountTokenProjection clusterTrustBundle*:ClusterTrustBundleProjection podCertificate*:PodCertificateProjection
PersistentVolumeClaimTemplate metadata:ObjectMeta spec!:PersistentVolumeClaimSpec
ConfigMapEnvSource name:text optional*:bool
SecretEnvSource name:text optional*:bool
EnvVarSource fieldRef*:ObjectFieldSelector resourceFieldRef*:ResourceFieldSelector configMapKeyRef*:ConfigMapKeySelector secretKeyRef*:SecretKeySelector fileKeyRef*:FileKeySelector
ContainerRestartRuleOnExitCodes operator:text values:[]int32
ExecAction command:[]text
HTTPGetAction path:text port!:port host:text scheme:text httpHeaders:[]HTTPHeader protocol*:text
TCPSocketAction port!:port host:text
GRPCAction port!:int32 service*:text mode*:text
LifecycleHandler exec*:ExecAction httpGet*:HTTPGetAction tcpSocket*:TCPSocketAction sleep*:SleepAction
Capabilities add:[]text drop:[]text
NodeSelector nodeSelectorTerms!:[]NodeSelectorTerm
PreferredSchedulingTerm weight!:int32 preference!:NodeSelectorTerm
PodAffinityTerm labelSelector*:LabelSelector namespaces:[]text topologyKey!:text namespaceSelector*:LabelSelector matchLabelKeys:[]text mismatchLabelKeys:[]text
WeightedPodAffinityTerm weight!:int32 podAffinityTerm!:PodAffinityTerm
ContainerStateWaiting reason:text message:text
ContainerStateRunning startedAt:time
ContainerStateTerminated exitCode!:int32 signal:int32 reason:text message:text startedAt:time finishedAt:time containerID:text
VolumeStatus image*:ImageVolumeStatus
LinuxContainerUser uid!:int64 gid!:int64 supplementalGroups:[]int64
ResourceHealth resourceID!:text health:text message*:text
VolumeResourceRequirements limits:{}quantity requests:{}quantity
TypedLocalObjectReference apiGroup*:text kind!:text name!:text
TypedObjectReference apiGroup*:text kind!:text name!:text namespace*:text
PersistentVolumeClaimCondition type!:text status!:text lastProbeTime:time lastTransitionTime:time reason:text message:text
ModifyVolumeStatus targetVolumeAttributesClassName:text status!:text
VolumeHealthStatus healthConditions:[]VolumeHealthCondition lastTransitionTime:time
PodFailurePolicyOnExitCodesRequirement containerName*:text operator!:text values!:[]int32
PodFailurePolicyOnPodConditionsPattern type!:text status!:text
WorkloadPodGroupBasicSchedulingPolicy
WorkloadPodGroupGangSchedulingPolicy minCount*:int32
TopologyConstraint key!:text
WorkloadPodGroupSingleDisruptionMode
WorkloadPodGroupAllDisruptionMode
IPBlock cidr!:text except:[]text
ObjectFieldSelector apiVersion:text fieldPath!:text
ResourceFieldSelector containerName:text resource!:text divisor:quantity
SecretProjection name:text items:[]KeyToPath optional*:bool
DownwardAPIProjection items:[]DownwardAPIVolumeFile
ConfigMapProjection name:text items:[]KeyToPath optional*:bool
ServiceAccountTokenProjection audience:text expirationSeconds*:int64 path!:text user*:int64
ClusterTrustBundleProjection name*:text signerName*:text labelSelector*:LabelSelector optional*:bool path!:text user*:int64
PodCertificateProjection signerName:text keyType:text maxExpirationSeconds*:int32 credentialBundlePath:text keyPath:text certificateChainPath:text userAnnotations:{}text user*:int64
ConfigMapKeySelector name:text key!:text optional*:bool
SecretKeySelector name:text key!:text optional*:bool
FileKeySelector volumeName!:text path!:text key!:text optional*:bool
HTTPHeader name!:text value!:text
SleepAction seconds!:int64
NodeSelectorTerm matchExpressions:[]NodeSelectorRequirement matchFields:[]NodeSelectorRequirement
ImageVolumeStatus imageRef:text
NodeSelectorRequirement key!:text operator!:text values:[]text
`;
