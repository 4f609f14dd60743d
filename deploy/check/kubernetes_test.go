package check

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are what kubectl apply -k sends.
type manifests struct {
	set      apps.StatefulSet
	services map[string]*core.Service
	budget   policy.PodDisruptionBudget
	network  networking.NetworkPolicy
	config   core.ConfigMap
	secrets  map[string]*core.Secret
	monitor  *monitoring.ServiceMonitor
}

// build makes the manifests of the folder as kubectl does, with tokens as an operator has them. Each must be of its
// type to the last field.
func build(t *testing.T, monitored bool) *manifests {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "kubernetes")
	if err := os.CopyFS(folder, os.DirFS("../kubernetes")); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(filepath.Join(folder, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tokens.yaml", "tokens: []\n")
	if monitored {
		write("monitoring/metrics.token", "flowd_x")
		plan, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		with := strings.Replace(string(plan), "#components:\n#  - monitoring\n", "components:\n  - monitoring\n", 1)
		if with == string(plan) {
			t.Fatal("kustomization.yaml does not say how monitoring is added")
		}
		write("kustomization.yaml", with)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

// decode reads manifests strictly: a field that its type does not have is an error.
func decode(t *testing.T, text []byte) *manifests {
	t.Helper()
	m := &manifests{services: map[string]*core.Service{}, secrets: map[string]*core.Secret{}}
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		var into any
		service, secret := new(core.Service), new(core.Secret)
		switch kind.Kind {
		case "StatefulSet":
			into = &m.set
		case "Service":
			into = service
		case "PodDisruptionBudget":
			into = &m.budget
		case "NetworkPolicy":
			into = &m.network
		case "ConfigMap":
			into = &m.config
		case "Secret":
			into = secret
		case "ServiceMonitor":
			m.monitor = new(monitoring.ServiceMonitor)
			into = m.monitor
		default:
			t.Fatalf("a manifest of the kind %q", kind.Kind)
		}
		object, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			t.Fatal(err)
		}
		// As the server of Kubernetes does, for which the case of letters counts.
		unknown, err := json.UnmarshalStrict(object, into)
		if err = errors.Join(append(unknown, err)...); err != nil {
			t.Fatalf("%s: %v\n%s", kind.Kind, err, document)
		}
		if service.Name != "" {
			m.services[service.Name] = service
		}
		if secret.Name != "" {
			m.secrets[secret.Name] = secret
		}
	}
	return m
}

// container is the only one of the pod.
func (m *manifests) container(t *testing.T) core.Container {
	t.Helper()
	if n := len(m.set.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("%d containers", n)
	}
	return m.set.Spec.Template.Spec.Containers[0]
}

// selects tells whether labels have all that a selector wants, which must be something.
func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

// Everything that selects pods selects those of the StatefulSet, and every port that is named is one of theirs.
func TestSelectorsAndPorts(t *testing.T) {
	m := build(t, true)
	labels := m.set.Spec.Template.Labels
	for what, selector := range map[string]map[string]string{
		"StatefulSet":            m.set.Spec.Selector.MatchLabels,
		"Service flowd":          m.services["flowd"].Spec.Selector,
		"Service flowd-headless": m.services["flowd-headless"].Spec.Selector,
		"PodDisruptionBudget":    m.budget.Spec.Selector.MatchLabels,
		"NetworkPolicy":          m.network.Spec.PodSelector.MatchLabels,
	} {
		if !selects(selector, labels) {
			t.Errorf("%s selects %v, the pod has %v", what, selector, labels)
		}
	}
	if m.set.Spec.ServiceName != "flowd-headless" || m.services["flowd-headless"].Spec.ClusterIP != core.ClusterIPNone {
		t.Errorf("the StatefulSet's service %q is none without an address", m.set.Spec.ServiceName)
	}
	ports := map[string]bool{}
	for _, p := range m.container(t).Ports {
		ports[p.Name] = true
	}
	c := m.container(t)
	named := map[string]string{
		"liveness": c.LivenessProbe.HTTPGet.Port.String(), "readiness": c.ReadinessProbe.HTTPGet.Port.String(),
		"NetworkPolicy": m.network.Spec.Ingress[0].Ports[0].Port.String(),
	}
	for name, s := range m.services {
		named[name] = s.Spec.Ports[0].TargetPort.String()
	}
	for what, port := range named {
		if !ports[port] {
			t.Errorf("%s names port %q of %v", what, port, ports)
		}
	}
	if c.LivenessProbe.HTTPGet.Path != "/livez" || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Errorf("probes of %s and %s", c.LivenessProbe.HTTPGet.Path, c.ReadinessProbe.HTTPGet.Path)
	}
}

// Every file of the settings is where they say, on a volume that is there.
func TestVolumes(t *testing.T) {
	m := build(t, false)
	sources := map[string]string{} // of each volume
	for _, v := range m.set.Spec.Template.Spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			sources[v.Name] = v.ConfigMap.Name
		case v.Secret != nil:
			sources[v.Name] = v.Secret.SecretName
		}
	}
	for _, claim := range m.set.Spec.VolumeClaimTemplates {
		sources[claim.Name] = "claim"
	}
	mounts := map[string]string{} // what is mounted where
	for _, v := range m.container(t).VolumeMounts {
		if sources[v.Name] == "" {
			t.Errorf("volume %q is mounted, and there is none", v.Name)
		}
		mounts[v.MountPath] = sources[v.Name]
	}
	var settings map[string]string
	if err := yaml.Unmarshal([]byte(m.config.Data["flowd.yaml"]), &settings); err != nil {
		t.Fatal(err)
	}
	secret := m.secrets[mounts[filepath.Dir(settings["tokens-file"])]]
	if secret == nil || len(secret.Data[filepath.Base(settings["tokens-file"])]) == 0 {
		t.Errorf("tokens-file %q is not in the secrets %v", settings["tokens-file"], slices.Collect(maps.Keys(m.secrets)))
	}
	if mounts[settings["data"]] != "claim" {
		t.Errorf("data %q is on no claim: %v", settings["data"], mounts)
	}
	if mounts["/etc/flowd"] != m.config.Name || !strings.HasPrefix(m.config.Name, "flowd-") {
		t.Errorf("/etc/flowd is %q, and the settings are in %q", mounts["/etc/flowd"], m.config.Name)
	}
}

// The pod may do as little as the image needs, and stops in its own time.
func TestPodIsLocked(t *testing.T) {
	m := build(t, false)
	pod, c := m.set.Spec.Template.Spec, m.container(t)
	dockerfile, err := os.ReadFile("../docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if user := *pod.SecurityContext.RunAsUser; !strings.Contains(string(dockerfile), "\nUSER 65532:65532\n") || user != 65532 || *pod.SecurityContext.FSGroup != user {
		t.Errorf("it runs as %d with the group %d, and the image's user is another", user, *pod.SecurityContext.FSGroup)
	}
	if !*pod.SecurityContext.RunAsNonRoot || *pod.AutomountServiceAccountToken || pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%+v", pod.SecurityContext)
	}
	if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Contains(s.Capabilities.Drop, "ALL") {
		t.Errorf("%+v", s)
	}
	if len(m.network.Spec.Egress) != 0 || len(m.network.Spec.PolicyTypes) != 2 {
		t.Errorf("it may call %v", m.network.Spec.Egress)
	}
	var settings struct {
		DrainDelay      duration `json:"drain-delay"`
		ShutdownTimeout duration `json:"shutdown-timeout"`
	}
	if err := yaml.Unmarshal([]byte(m.config.Data["flowd.yaml"]), &settings); err != nil {
		t.Fatal(err)
	}
	stop := settings.DrainDelay + settings.ShutdownTimeout + 60 // for the last checkpoint
	if grace := *pod.TerminationGracePeriodSeconds; duration(grace) < stop || settings.DrainDelay == 0 {
		t.Errorf("it has %d s to stop, of which requests may take all but %v", grace, stop)
	}
	if limit := c.Resources.Limits.Memory().Value(); limit < 2<<30 || !c.Resources.Limits.Memory().Equal(*c.Resources.Requests.Memory()) {
		t.Errorf("memory %d, requested %v", limit, c.Resources.Requests)
	}
	if c.Image == "flowd" || !strings.Contains(c.Image, ":v") {
		t.Errorf("image %q has no version", c.Image)
	}
}

// duration is a setting, in seconds.
type duration int64

// UnmarshalText reads 1m30s.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed / time.Second)
	return err
}

// One replica may be missing for a while, or a node would never be drained.
func TestNodeCanBeDrained(t *testing.T) {
	m := build(t, false)
	if n := m.budget.Spec.MaxUnavailable; n == nil || n.IntValue() < 1 || m.budget.Spec.MinAvailable != nil || *m.set.Spec.Replicas != 1 {
		t.Errorf("%+v for %d replicas", m.budget.Spec, *m.set.Spec.Replicas)
	}
}

// The monitor finds one of the services, by a port that it has, with a token that is there.
func TestMonitor(t *testing.T) {
	if build(t, false).monitor != nil {
		t.Error("there is a ServiceMonitor where nobody asked for one")
	}
	m := build(t, true)
	found := []string{}
	for name, s := range m.services {
		if selects(m.monitor.Spec.Selector.MatchLabels, s.Labels) {
			found = append(found, name)
			if job := s.Labels[m.monitor.Spec.JobLabel]; job != "flowd" {
				t.Errorf("the job is called %q; the alerts look for flowd", job)
			}
		}
	}
	if !slices.Equal(found, []string{"flowd"}) {
		t.Errorf("the monitor finds %v", found)
	}
	endpoint := m.monitor.Spec.Endpoints[0]
	if endpoint.Port != m.services["flowd"].Spec.Ports[0].Name {
		t.Errorf("the monitor asks port %q", endpoint.Port)
	}
	key := endpoint.Authorization.Credentials
	if secret := m.secrets[key.Name]; secret == nil || len(secret.Data[key.Key]) == 0 {
		t.Errorf("there is no secret %s with %s", key.Name, key.Key)
	}
}
