{{- /*
  All that the operator may do where clusters run, in a Role or a ClusterRole. `k8s_chart` compares it with what the
  API server allows: a right that is added here has to be added there, with its reason.
*/ -}}
{{- define "dasklike-operator.rules" -}}
# The operator never writes a spec. It deletes a cluster only where `spec.idle.action` is Delete.
- apiGroups: [dasklike.dev]
  resources: [dasklikeclusters]
  verbs: [list, watch, delete]
- apiGroups: [dasklike.dev]
  resources: [dasklikeclusters/status]
  verbs: [patch]
# An owner reference with blockOwnerDeletion needs this where the admission plugin OwnerReferencesPermissionEnforcement
# is on, as on OpenShift.
- apiGroups: [dasklike.dev]
  resources: [dasklikeclusters/finalizers]
  verbs: [update]
# `get` is for a pod that is there already when it is created: whose is it?
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
# Server-side apply is `patch`, and `create` where there is nothing yet.
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch]
# RBAC knows neither labels nor prefixes of names, and clusters' names are not known when this is installed. So the
# right to the certificates' Secrets is one to all Secrets of these namespaces; the operator watches only the metadata
# of those with its label, and gets only those of its clusters. Set `namespaces` to bound it.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch]
# Deleted as soon as a restart of the scheduler would lose no work.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
