package telemetry

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestReadinessIsThatOfAllComponents(t *testing.T) {
	health := NewHealth()
	h := Handler(NewRegistry(), health, false)
	if code, _ := get(t, h, "/readyz"); code != 503 {
		t.Errorf("without components: %d", code)
	}
	sinkOK := false
	health.Register("gateway", func() (bool, string) { return true, "" })
	health.Register("sink", func() (bool, string) { return sinkOK, "ClickHouse refuses" })
	code, body := get(t, h, "/readyz")
	if code != 503 || !strings.Contains(body, `{"name":"sink","ready":false,"detail":"ClickHouse refuses"}`) {
		t.Errorf("%d %s", code, body)
	}
	sinkOK = true
	code, body = get(t, h, "/readyz")
	var answer struct {
		Ready      bool
		Components []Component
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != 200 || !answer.Ready || len(answer.Components) != 2 {
		t.Errorf("%d %s %v", code, body, err)
	}
	health.Drain()
	if code, _ := get(t, h, "/readyz"); code != 503 {
		t.Errorf("while draining: %d", code)
	}
	if code, _ := get(t, h, "/healthz"); code != 200 {
		t.Errorf("healthz while draining: %d", code)
	}
}

func TestMetricsAndProfiling(t *testing.T) {
	off, on := Handler(NewRegistry(), NewHealth(), false), Handler(NewRegistry(), NewHealth(), true)
	if code, body := get(t, off, "/metrics"); code != 200 || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics: %d", code)
	}
	if code, _ := get(t, off, "/debug/pprof/"); code != 404 {
		t.Errorf("profiling is on: %d", code)
	}
	if code, _ := get(t, on, "/debug/pprof/"); code != 200 {
		t.Errorf("profiling is off: %d", code)
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud")
	if s := out.String(); strings.Contains(s, "quiet") || !strings.Contains(s, `"msg":"loud"`) {
		t.Error(s)
	}
	for _, bad := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := NewLogger(&out, bad[0], bad[1]); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
