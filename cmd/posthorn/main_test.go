package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// posthorn runs a command as a user would.
func posthorn(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(t.Context(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandsWithoutServices(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("POSTHORN_RECIPIENT_SECRET", "0123456789abcdef")
	good := file(t, "good.yaml", "rules: [{name: r, within: {event: opened, of: send, duration: 24h}, call: shop}]\n")
	bad := file(t, "bad.yaml", "rules: [{name: r, within: {event: opned, of: send, duration: 24h}}]\n")
	for _, c := range []struct {
		args    string
		code    int
		out     string // in the output
		problem string // in the error output
	}{
		{args: "version", out: "posthorn "},
		{args: "--help", out: "posthorn simulate --events 10000"},
		{args: "topics print --partitions 48", out: "48 partitions"},
		{args: "recipient id Anna@Example.org", out: "-"},
		{args: "config", out: "tenant: default"},
		{args: "config --log-level loud", code: 1, out: "level: loud", problem: "log.level"},
		{args: "config --config /no/such/file", code: 1, problem: "reading configuration"},
		{args: "config --rules " + good, code: 1, problem: `endpoint "shop" is not configured`},
		{args: "rules lint " + good, out: "rule r is fine"},
		{args: "rules lint " + bad, code: 1, problem: "opned"},
		{args: "replay", code: 1, problem: "--rejected or --webhook"},
		{args: "replay --rejected", code: 1, problem: "kafka.brokers: is missing"},
		{args: "tail posthorn.events", code: 1, problem: "registry.url: is missing"},
		{args: "analytics --brokers a:1 --registry http://r:1", code: 1, problem: "clickhouse.dsn: is missing"},
		{args: "ingest --brokers a:1 --registry http://r:1", code: 1, problem: "sources: is empty"},
		{args: "simulate", code: 1, problem: "no source is configured"},
		{args: "up --brokers a:1", code: 1, problem: "belong together"},
		{args: "nonsense", code: 1, problem: "unknown command"},
	} {
		code, out, errOut := posthorn(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errOut, c.problem) {
			t.Errorf("%s: code %d, output %q, error %q", c.args, code, out, errOut)
		}
	}
}

func TestRecipientIDIgnoresCaseAndSpace(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("POSTHORN_RECIPIENT_SECRET", "0123456789abcdef")
	_, out, _ := posthorn(t, "recipient", "id", "anna@example.org", " ANNA@example.org ")
	if lines := strings.Fields(out); len(lines) != 2 || lines[0] != lines[1] {
		t.Errorf("%q", out)
	}
}

func TestParsePlace(t *testing.T) {
	for text, want := range map[string][3]int64{"3:1207": {3, 1207, -1}, "0:0:0": {0, 0, 0}, "1:9999999999:7": {1, 9999999999, 7}} {
		ref, err := parsePlace(text)
		if err != nil || int64(ref.Partition) != want[0] || ref.Offset != want[1] || int64(ref.Index) != want[2] {
			t.Errorf("%s: %+v, %v", text, ref, err)
		}
	}
	for _, text := range []string{"", "3", "a:1", "1:-1", "1:2:3:4", "9999999999:1", "1:2:"} {
		if _, err := parsePlace(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := Run(ctx, []string{"version"}, nil, &bytes.Buffer{}, &bytes.Buffer{}); code != 0 {
		t.Errorf("code %d", code)
	}
}
