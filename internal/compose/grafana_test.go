package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const grafanaDir = "../../analytics/grafana"

// dashboard is what is checked of a dashboard's JSON.
type dashboard struct {
	file       string
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string     `json:"name"`
			Datasource datasource `json:"datasource"`
			Query      target     `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID         int        `json:"id"`
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Datasource datasource `json:"datasource"`
	Targets    []target   `json:"targets"`
	GridPos    struct {
		H, W, X, Y int
	} `json:"gridPos"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type target struct {
	RefID      string     `json:"refId"`
	Datasource datasource `json:"datasource"`
	SQL        string     `json:"rawSql"`
	Format     int        `json:"format"`
	Expr       string     `json:"expr"`
	Legend     string     `json:"legendFormat"`
}

func dashboards(t *testing.T) (all []dashboard) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(grafanaDir, "dashboards", "*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("dashboards: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := dashboard{file: filepath.Base(file)}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(grafanaDir, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// provisioned maps the uids of the data sources to their types.
func provisioned(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Datasources []struct {
			UID, Type, Name string
			SecureJSONData  map[string]string `yaml:"secureJsonData"`
		}
	}
	readYAML(t, "datasources.yaml", &file)
	types := map[string]string{}
	for _, d := range file.Datasources {
		if types[d.UID] != "" {
			t.Errorf("two data sources have the uid %s", d.UID)
		}
		types[d.UID] = d.Type
		for name, value := range d.SecureJSONData {
			if !strings.HasPrefix(value, "$") {
				t.Errorf("%s: %s is written down", d.Name, name)
			}
		}
	}
	return types
}

func TestDashboardsAreWhole(t *testing.T) {
	known, uids := provisioned(t), map[string]bool{}
	for _, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || d.Title == "" {
			t.Errorf("%s: uid %q, title %q", d.file, d.UID, d.Title)
		}
		uids[d.UID] = true
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if ids[p.ID] || p.Title == "" {
				t.Errorf("%s: panel %d %q: its id is another's, or it has no title", d.file, p.ID, p.Title)
			}
			ids[p.ID] = true
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %q is wider than the page", d.file, p.Title)
			}
			for _, other := range d.Panels[:i] {
				if overlap(p, other) {
					t.Errorf("%s: panel %q lies over %q", d.file, p.Title, other.Title)
				}
			}
			if p.Type == "row" {
				continue
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s: panel %q asks nothing", d.file, p.Title)
			}
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if refs[q.RefID] {
					t.Errorf("%s: panel %q: two queries %s", d.file, p.Title, q.RefID)
				}
				refs[q.RefID] = true
				if q.Datasource != p.Datasource || known[q.Datasource.UID] != q.Datasource.Type || q.Datasource.Type == "" {
					t.Errorf("%s: panel %q: data source %+v is not provisioned", d.file, p.Title, q.Datasource)
				}
				if (q.Datasource.UID == "posthorn-prometheus") != (q.Expr != "") || (q.Expr != "") == (q.SQL != "") {
					t.Errorf("%s: panel %q: query %s is not of its data source", d.file, p.Title, q.RefID)
				}
			}
		}
		for _, v := range d.Templating.List {
			if known[v.Datasource.UID] != v.Datasource.Type || v.Query.SQL == "" {
				t.Errorf("%s: variable %s: data source %+v", d.file, v.Name, v.Datasource)
			}
		}
	}
}

func overlap(a, b panel) bool {
	apart := a.GridPos.X >= b.GridPos.X+b.GridPos.W || b.GridPos.X >= a.GridPos.X+a.GridPos.W ||
		a.GridPos.Y >= b.GridPos.Y+b.GridPos.H || b.GridPos.Y >= a.GridPos.Y+a.GridPos.H
	return !apart
}

// What the services mount is there, where they look for it.
func TestWhatIsMounted(t *testing.T) {
	p := load(t)
	for name, c := range p.Configs {
		if c.File == "" {
			continue
		}
		if _, err := os.Stat(c.File); err != nil {
			t.Errorf("config %s: %v", name, err)
		}
	}
	targets := map[string]string{}
	for _, c := range p.Services["grafana"].Configs {
		targets[c.Target] = filepath.Base(p.Configs[c.Source].File)
	}
	var file struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, "dashboards.yaml", &file)
	for _, d := range dashboards(t) {
		if at := file.Providers[0].Options.Path + "/" + d.file; targets[at] != d.file {
			t.Errorf("dashboard %s is not mounted at %s", d.file, at)
		}
	}
	for _, kind := range []string{"datasources", "dashboards"} {
		if at := "/etc/grafana/provisioning/" + kind + "/posthorn.yaml"; targets[at] != kind+".yaml" {
			t.Errorf("%s is not mounted at %s", kind, at)
		}
	}
	plugin := p.Services["grafana"].Environment["GF_PLUGINS_PREINSTALL_SYNC"]
	if plugin == nil || !strings.HasPrefix(*plugin, "grafana-clickhouse-datasource@4.") {
		t.Error("the plugin of ClickHouse is not pinned")
	}
}

// Prometheus asks all services that have metrics, where they serve them.
func TestAllServicesAreScraped(t *testing.T) {
	var file struct {
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus.yml", &file)
	var scraped []string
	for _, c := range file.ScrapeConfigs {
		for _, s := range c.StaticConfigs {
			scraped = append(scraped, s.Targets...)
		}
	}
	p := load(t)
	for _, name := range ours {
		if slices.Contains(jobs, name) {
			continue
		}
		_, port, _ := strings.Cut(*p.Services[name].Environment["POSTHORN_METRICS_LISTEN"], ":")
		if !slices.Contains(scraped, name+":"+port) {
			t.Errorf("%s:%s is not scraped: %v", name, port, scraped)
		}
	}
}
