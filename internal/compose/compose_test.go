// Package compose tests the project's docker-compose.yml without running it.
package compose

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// jobs run once and end; ours run the posthorn binary.
var (
	jobs = []string{"migrate", "topics"}
	ours = []string{"ingest", "processor", "analytics", "migrate", "topics"}
	// observers are there only with the profile observe.
	observers = []string{"prometheus", "grafana"}
)

func load(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"}, cli.WithInterpolation(true), cli.WithNormalization(true), cli.WithConsistency(true), cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServices(t *testing.T) {
	p := load(t)
	want := slices.Concat([]string{"kafka", "registry", "clickhouse"}, ours, observers)
	slices.Sort(want)
	got := p.ServiceNames()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	for name, s := range p.Services {
		if job := slices.Contains(jobs, name); job != (s.HealthCheck == nil) {
			t.Errorf("%s: every service needs a health check, and only jobs have none", name)
		} else if job != (s.Restart == "no") {
			t.Errorf("%s: restart %q; services are restarted, jobs are not", name, s.Restart)
		}
		if observe := slices.Contains(observers, name); observe != slices.Equal(s.Profiles, []string{"observe"}) || !observe && len(s.Profiles) > 0 {
			t.Errorf("%s: profiles %v", name, s.Profiles)
		}
	}
}

func TestOwnCommandsExist(t *testing.T) {
	p := load(t)
	for _, name := range ours {
		s := p.Services[name]
		if len(s.Command) == 0 || s.Command[0] != name {
			t.Errorf("%s runs %v", name, s.Command)
		}
		if s.Build == nil || s.Build.DockerfileInline == "" {
			t.Errorf("%s is not built from here", name)
		} else if !strings.Contains(s.Build.DockerfileInline, "\nUSER ") {
			t.Errorf("%s runs as root", name)
		}
	}
}

// A dependency is awaited: a job until it has ended well, a service until it is
// healthy.
func TestDependenciesAreAwaited(t *testing.T) {
	p := load(t)
	for name, s := range p.Services {
		for on, d := range s.DependsOn {
			want := types.ServiceConditionHealthy
			if slices.Contains(jobs, on) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			if d.Condition != want {
				t.Errorf("%s waits for %s until %s, want %s", name, on, d.Condition, want)
			}
		}
	}
	for _, name := range []string{"ingest", "processor", "analytics"} {
		if _, ok := p.Services[name].DependsOn["topics"]; !ok {
			t.Errorf("%s does not wait for its topics", name)
		}
	}
	if _, ok := p.Services["analytics"].DependsOn["migrate"]; !ok {
		t.Error("analytics does not wait for its tables")
	}
}

func TestImagesArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[\w/-]+:v?\d+\.\d+(\.\d+)*(-\w+)?$`)
	p := load(t)
	for name, s := range p.Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
	}
	from := regexp.MustCompile(`(?m)^FROM (\S+)`)
	for _, m := range from.FindAllStringSubmatch(p.Services["ingest"].Build.DockerfileInline, -1) {
		if !pinned.MatchString(m[1]) {
			t.Errorf("base image %q has no version", m[1])
		}
	}
}

// What is kept outlives its container, and nothing is open to the network.
func TestVolumesAndPorts(t *testing.T) {
	p := load(t)
	for _, name := range append([]string{"kafka", "clickhouse", "processor"}, observers...) {
		v := p.Services[name].Volumes
		if len(v) != 1 || v[0].Type != types.VolumeTypeVolume || v[0].Source == "" {
			t.Errorf("%s keeps nothing in a named volume", name)
		}
	}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is published on %q", name, port.Published, port.HostIP)
			}
		}
	}
}
