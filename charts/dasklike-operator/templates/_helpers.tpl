{{- /* Fixed, since the NetworkPolicies of clusters let in pods with this name. */ -}}
{{- define "dasklike-operator.name" -}}
dasklike-operator
{{- end }}

{{- /* The release that the docs call `dasklike` gives `dasklike-operator` and not `dasklike-dasklike-operator`. */ -}}
{{- define "dasklike-operator.fullname" -}}
{{- $name := include "dasklike-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else if hasPrefix (printf "%s-" .Release.Name) $name -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "dasklike-operator.selector" -}}
app.kubernetes.io/name: {{ include "dasklike-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dasklike-operator.labels" -}}
{{ include "dasklike-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: operator
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "dasklike-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "dasklike-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- /* Takes (dict "image" ... "context" $). */ -}}
{{- define "dasklike-operator.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .context.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{- /* The namespaces of clusters as a namespaceSelector of the Prometheus operator. */ -}}
{{- define "dasklike-operator.monitoredNamespaces" -}}
{{- if .Values.namespaces -}}
matchNames:
{{- range .Values.namespaces }}
  - {{ . }}
{{- end }}
{{- else -}}
any: true
{{- end -}}
{{- end }}
