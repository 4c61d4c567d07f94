{{- define "ne-registry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 50 characters, so that every suffix used here still fits into 63. */ -}}
{{- define "ne-registry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "ne-registry.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ne-registry.selector" -}}
app.kubernetes.io/name: {{ include "ne-registry.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "ne-registry.labels" -}}
{{ include "ne-registry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ne-registry
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ne-registry.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ne-registry.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ne-registry.image" -}}
{{- include "ne-registry.reference" (dict "image" .Values.image "tag" .Chart.AppVersion) -}}
{{- end -}}

{{- /* The image of Registry pods: each part falls back to the operator's. */ -}}
{{- define "ne-registry.registryImage" -}}
{{- $image := .Values.registry.image -}}
{{- if or $image.repository $image.tag $image.digest -}}
{{- $own := not $image.repository -}}
{{- $merged := dict
  "repository" (default .Values.image.repository $image.repository)
  "tag" $image.tag
  "digest" $image.digest -}}
{{- include "ne-registry.reference" (dict "image" $merged "tag" (ternary (default .Chart.AppVersion .Values.image.tag) .Chart.AppVersion $own)) -}}
{{- else -}}
{{- include "ne-registry.image" . -}}
{{- end -}}
{{- end -}}

{{- define "ne-registry.reference" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .tag .image.tag) -}}
{{- end -}}
{{- end -}}
