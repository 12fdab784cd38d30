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
	odd := file(t, "odd.yaml", "rules: [{name: r, within: {event: opened, of: send, duration: 24h}}]\n")
	test := file(t, "test.yaml", "rules: "+odd+"\ntests: [{name: t, events: [{type: sent, at: 0}, {type: opened, at: +1h}], expect: [{rule: r, at: +1h}]}]\n")
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
		{args: "rules lint " + good, out: "good.yaml:1: rule r (within, version"},
		{args: "rules lint " + bad, code: 1, out: `bad.yaml:1: error: rule "r": within.event: "opned" is no type of event`},
		{args: "rules lint --rules " + good, code: 1, out: `good.yaml:1: error: rule "r": call: endpoint "shop" is not configured`},
		{args: "rules lint " + odd, out: `odd.yaml:1: warning: rule "r": call: is missing`},
		{args: "rules lint --strict " + odd, code: 1, out: "warning"},
		{args: "rules lint --json " + odd, out: `"severity": "warning"`},
		{args: "rules lint --json " + good, out: `"findings": []`},
		{args: "rules lint /no/such/file", code: 1, out: `error: rules "/no/such/file": no such file`},
		{args: "rules test " + test, out: "1 test\n"},
		{args: "rules test --run ^x " + test, out: "[no tests to run]"},
		{args: "rules test --run ( " + test, code: 1, problem: "--run: "},
		{args: "rules test " + bad, code: 1, out: "tests: is missing"},
		{args: "rules test", code: 1, problem: "requires at least 1 arg"},
		{args: "rules backtest --rules " + good, code: 1, problem: "kafka.brokers: is missing"},
		{args: "rules backtest --brokers a:1 --registry http://r:1", code: 1, problem: "there are no rules"},
		{args: "rules backtest --brokers a:1 --registry http://r:1 --rules " + good + " --rule x", code: 1, problem: `there is no rule "x"; the rules are r`},
		{args: "rules backtest --brokers a:1 --registry http://r:1 --rules " + good + " --since yesterday", code: 1, problem: `--since: "yesterday" is no time`},
		{args: "rules backtest --brokers a:1 --registry http://r:1 --rules " + good + " --since 1d --until 2d", code: 1, problem: "nothing between them"},
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
