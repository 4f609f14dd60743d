package check

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// composed reads compose.yaml as docker compose does, which knows every field.
func composed(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker/compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// Each service is of a version, publishes to this machine alone, and mounts files that are there.
func TestComposeServices(t *testing.T) {
	project := composed(t)
	if names := project.ServiceNames(); !slices.Equal(names, []string{"flowd", "grafana", "prometheus"}) {
		t.Fatalf("services %v", names)
	}
	for name, s := range project.Services {
		if _, tag, _ := strings.Cut(s.Image, ":"); name != "flowd" && (tag == "" || tag == "latest") {
			t.Errorf("%s: image %s has no version", name, s.Image)
		}
		if len(s.Ports) != 1 || s.Ports[0].HostIP != "127.0.0.1" {
			t.Errorf("%s publishes %+v", name, s.Ports)
		}
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s mounts %s: %v, read only: %v", name, v.Source, err, v.ReadOnly)
				}
			case types.VolumeTypeVolume:
				if _, known := project.Volumes[v.Source]; !known {
					t.Errorf("%s has its data on %s, which is no volume", name, v.Source)
				}
			}
		}
	}
	if plugin := project.Services["grafana"].Environment["GF_PLUGINS_PREINSTALL_SYNC"]; plugin == nil || !strings.Contains(*plugin, "@") {
		t.Error("Grafana's plugin has no version")
	}
	if f := project.Services["flowd"]; !f.ReadOnly || !slices.Contains(f.CapDrop, "ALL") || f.StopGracePeriod == nil {
		t.Errorf("flowd is not locked in, or has no time to stop: %+v", f)
	}
}

// port is the one that a service listens on.
func port(t *testing.T, project *types.Project, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	service, known := project.Services[u.Hostname()]
	if !known || !slices.ContainsFunc(service.Ports, func(p types.ServicePortConfig) bool { return u.Port() == p.Published }) {
		t.Errorf("nobody listens at %s", address)
	}
}

// Prometheus and Grafana ask the services by their names, and otherwise as where no containers are.
func TestComposeNames(t *testing.T) {
	project := composed(t)
	type datasources struct {
		APIVersion  int `json:"apiVersion"`
		Datasources []struct {
			Name     string `json:"name"`
			UID      string `json:"uid"`
			Type     string `json:"type"`
			Access   string `json:"access"`
			URL      string `json:"url"`
			JSONData struct {
				TimeInterval string   `json:"timeInterval"`
				AllowedHosts []string `json:"allowedHosts"`
			} `json:"jsonData"`
		} `json:"datasources"`
	}
	var here, there datasources
	readStrictly(t, "../docker/datasources.yml", &here)
	readStrictly(t, "../grafana/provisioning/datasources/flowd.yml", &there)
	if len(here.Datasources) != len(there.Datasources) || here.APIVersion != there.APIVersion {
		t.Fatalf("%d data sources, want %d", len(here.Datasources), len(there.Datasources))
	}
	for i, got := range here.Datasources {
		want := there.Datasources[i]
		if got.Name != want.Name || got.UID != want.UID || got.Type != want.Type || got.Access != want.Access || got.JSONData.TimeInterval != want.JSONData.TimeInterval {
			t.Errorf("data source %+v, want %+v but for its address", got, want)
		}
		port(t, project, got.URL)
		if len(want.JSONData.AllowedHosts) > 0 && !slices.Equal(got.JSONData.AllowedHosts, []string{got.URL}) {
			t.Errorf("%s may ask %v", got.Name, got.JSONData.AllowedHosts)
		}
	}

	type scrape struct {
		Global    map[string]string `json:"global"`
		RuleFiles []string          `json:"rule_files"`
		Configs   []struct {
			JobName string                `json:"job_name"`
			Static  []map[string][]string `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	var ours, theirs scrape
	readStrictly(t, "../docker/prometheus.yml", &ours)
	readStrictly(t, "../prometheus/prometheus.yml", &theirs)
	if ours.Configs[0].JobName != theirs.Configs[0].JobName || !slices.Equal(ours.RuleFiles, theirs.RuleFiles) || ours.Global["scrape_interval"] != theirs.Global["scrape_interval"] {
		t.Errorf("prometheus.yml %+v, want %+v but for the target", ours, theirs)
	}
	port(t, project, "http://"+ours.Configs[0].Static[0]["targets"][0])
	rules := "/etc/prometheus/" + ours.RuleFiles[0]
	if !slices.ContainsFunc(project.Services["prometheus"].Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Target == rules && filepath.Base(v.Source) == ours.RuleFiles[0]
	}) {
		t.Errorf("%s is not mounted", rules)
	}
}

func readStrictly(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	object, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	unknown, err := json.UnmarshalStrict(object, into)
	if err = errors.Join(append(unknown, err)...); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
