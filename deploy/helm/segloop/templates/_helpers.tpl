{{- define "segloop.settings" -}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: SEGLOOP_SCRATCH
  value: /scratch
{{- end }}

{{- /* Secrets that a process uses; the others are "unused", so that no secret lies where nothing needs it.
       A `worker` acts for nobody and has a database role of its own. */ -}}
{{- define "segloop.secrets" -}}
{{- $root := .root }}
{{- $used := .used }}
{{- $worker := .worker }}
{{- range $used }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $root.Values.existingSecret }}, key: {{ if and $worker (eq . "SEGLOOP_DATABASE_URL") }}SEGLOOP_WORKER_DATABASE_URL{{ else }}{{ . }}{{ end }}}}
{{- end }}
{{- range list "SEGLOOP_DATABASE_URL" "SEGLOOP_REDIS_URL" "SEGLOOP_S3_ACCESS_KEY" "SEGLOOP_S3_SECRET_KEY" "SEGLOOP_TOKEN" "SEGLOOP_TICKET_KEY" "SEGLOOP_PSEUDONYM_KEY" }}
{{- if not (has . $used) }}
- name: {{ . }}
  value: unused
{{- end }}
{{- end }}
{{- end }}

{{- define "segloop.pod" -}}
securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
automountServiceAccountToken: false
{{- end }}

{{- define "segloop.container" -}}
securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
{{- end }}
