{{- /*
What the operator may do where it looks after Registries: in the ClusterRole, or in a Role of each watched namespace.
Neither a star nor a right that it does not use; a test keeps Secrets out of every list and watch.
*/ -}}
{{- define "ne-registry.rules" -}}
- apiGroups: [ne-registry.io]
  resources: [registries, replicationrules, retentionpolicies]
  verbs: [get, list, watch]
- apiGroups: [ne-registry.io]
  resources: [registries/status, replicationrules/status, retentionpolicies/status]
  verbs: [get, patch, update]
# An owner reference that blocks the owner's deletion needs this where the admission plugin for it is on.
- apiGroups: [ne-registry.io]
  resources: [registries/finalizers]
  verbs: [update]
# By name only: no list and no watch, so a Secret that nothing told it of stays out of sight.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
# patch: one annotation, upon which the kubelet hands a changed Secret to the pod at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# Why a pod or a claim does not get on.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [daemonsets, deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
# What runs here and what may run again, for registries to keep. Of it only the names of images are kept.
- apiGroups: [apps]
  resources: [controllerrevisions, replicasets]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, create, patch, delete]
{{- end -}}

{{- /* What lies outside namespaces; without it (watchNamespaces) the operator does with less, and says so. */ -}}
{{- define "ne-registry.clusterRules" -}}
# Addresses of nodes, for certificates under nodeAccess Configure.
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
# A class may be a mere name that binds claims to volumes made by hand.
- apiGroups: [""]
  resources: [persistentvolumes]
  verbs: [get, list]
# To name the classes there are when the one asked for is not among them.
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get, list]
{{- end -}}
