package compose

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/ingest"
	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/spool"
	"github.com/posthorn/posthorn/internal/gateways"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/telemetry"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/processor/trigger/reload"
	"github.com/posthorn/posthorn/schemas"
)

// registered notes the names and labels of metrics as they are registered:
// gathering would show only those that have been counted already.
type registered struct {
	*prometheus.Registry
	labels map[string][]string
}

var describedMetric = regexp.MustCompile(`fqName: "([^"]+)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

func (r registered) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		described := make(chan *prometheus.Desc)
		go func() { defer close(described); c.Describe(described) }()
		for d := range described {
			m := describedMetric.FindStringSubmatch(d.String())
			labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
			for part := range strings.SplitSeq(m[2], ",") {
				if name, _, ok := strings.Cut(part, "="); ok {
					labels = append(labels, strings.TrimSpace(name))
				}
			}
			r.labels[m[1]] = labels
		}
	}
}

func (r registered) Register(c prometheus.Collector) error { r.MustRegister(c); return nil }

// allMetrics are those of the services, as these register them.
func allMetrics(t *testing.T) map[string][]string {
	t.Helper()
	r := registered{prometheus.NewRegistry(), map[string][]string{}}
	log := slog.New(slog.DiscardHandler)
	nowhere := kafka.Config{Brokers: []string{"127.0.0.1:1"}}

	onDisk, err := spool.Open(spool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = onDisk.Close() })
	producer, err := kafka.NewProducer(nowhere)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	source := ingest.Source{Name: "main", Tenant: "default", Provider: provider.Mailjet{}, Credentials: provider.Credentials{Username: "u", Passwords: []string{"p"}}}
	if _, err := ingest.New(ingest.Config{Sources: []ingest.Source{source}, Producer: producer, Serde: schemas.NewLocalSerde(), Spool: onDisk, Registerer: r, Logger: log}); err != nil {
		t.Fatal(err)
	}
	d, err := delivery.New(delivery.Config{Serde: schemas.NewLocalSerde(), Registerer: r, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.NewWorker(stream.WorkerConfig{Stage: d.Stage(), TransactionalID: "metrics", Kafka: nowhere, Registerer: r, Logger: log}); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("rules: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := reload.Load(reload.Config{Paths: []string{rules}, Live: &trigger.Live{}, Registerer: r, Logger: log}); err != nil {
		t.Fatal(err)
	}
	gateways.NewFollower(nowhere, log).Register(r)
	if _, err := analytics.NewSink(analytics.SinkConfig{Kafka: nowhere, Serde: schemas.NewLocalSerde(), Conn: struct{ driver.Conn }{}, Registerer: r}); err != nil {
		t.Fatal(err)
	}
	// What the runtime and the process tell of themselves.
	families, err := telemetry.NewRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		r.labels[f.GetName()] = nil
	}
	r.labels["up"] = nil // Prometheus's own
	return r.labels
}

var (
	metricName = regexp.MustCompile(`\b(?:posthorn|process|go)_\w+|\bup\b`)
	grouped    = regexp.MustCompile(`\bby \(([^)]*)\)`)
	shownLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)
	// scraped are the labels that Prometheus adds.
	scraped = []string{"job", "instance"}
)

// Each metric that the dashboards ask for is one that a service has, with the
// labels by which they are grouped and named.
func TestDashboardsAskForMetricsThatThereAre(t *testing.T) {
	known := allMetrics(t)
	asked := map[string]bool{}
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				checkExpression(t, d.file+", panel "+p.Title, q, known, asked)
			}
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "posthorn_") && !asked[name] {
			t.Logf("no panel shows %s", name)
		}
	}
}

func checkExpression(t *testing.T, where string, q target, known map[string][]string, asked map[string]bool) {
	t.Helper()
	if q.Expr == "" {
		return
	}
	names := metricName.FindAllString(grouped.ReplaceAllString(q.Expr, ""), -1)
	if len(names) == 0 {
		t.Errorf("%s: %s asks for no metric", where, q.Expr)
	}
	labels := slices.Clone(scraped)
	for _, name := range names {
		of, ok := known[name]
		if !ok { // A part of a histogram or of a summary.
			base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
			if of, ok = known[base]; ok {
				name, of = base, append(slices.Clone(of), "le")
			}
		}
		if !ok {
			t.Errorf("%s: no service has the metric %s", where, name)
		}
		asked[name] = true
		labels = append(labels, of...)
	}
	by := labels
	if m := grouped.FindStringSubmatch(q.Expr); m != nil {
		by = strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' })
		for _, label := range by {
			if !slices.Contains(labels, label) {
				t.Errorf("%s: %v have no label %s", where, names, label)
			}
		}
	}
	for _, m := range shownLabel.FindAllStringSubmatch(q.Legend, -1) {
		if !slices.Contains(by, m[1]) {
			t.Errorf("%s: the legend %s shows a label that is not there", where, q.Legend)
		}
	}
	if strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") {
		t.Errorf("%s: %s has an open bracket", where, q.Expr)
	}
}
