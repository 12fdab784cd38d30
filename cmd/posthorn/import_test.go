package main

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/ingest"
	"github.com/posthorn/posthorn/ingest/provider"
)

func TestImport(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, serde, cl := cluster(t)
	g, err := ingest.New(ingest.Config{Producer: cl, Serde: serde, Sources: []ingest.Source{
		{Name: "own", Tenant: "default", Provider: provider.Native{}, Credentials: provider.Credentials{Keys: []string{"secret-token"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	config := file(t, "posthorn.yaml", "sources: [{name: own, provider: native, key: secret-token}, {name: other, provider: native, key: other-token}]\n")
	at := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	good := file(t, "good.csv", "type,email,time\nopened,a@example.com,"+at+"\n")
	bad := file(t, "bad.ndjson", fmt.Sprintf("{\"type\":\"opened\",\"email\":\"a@example.com\",\"time\":%q}\n{\"type\":\"opened\",\"email\":\"a@example.com\",\"time\":\"once\",\"mood\":1}\n", at))
	broken := file(t, "broken.json", "[{},")
	for _, c := range []struct {
		args    string
		code    int
		out     []string
		problem string
	}{
		{args: "--source own " + good, out: []string{"1 events imported, 0 not accepted"}},
		{args: "--token secret-token " + good + " " + good, out: []string{"1 events imported"}},
		{args: "--source own " + bad, code: 1, out: []string{"1 events imported, 1 not accepted", "occurred_at", "bad_field", `"once" is not understood`, "Nothing reads these fields: mood"}},
		{args: "--dry-run " + bad, code: 1, out: []string{"1 events good, 1 not accepted"}},
		{args: "--dry-run " + good, out: []string{"1 events good, 0 not accepted"}},
		{args: "--source own " + broken, code: 1, problem: "cut off"},
		{args: "--source own no-such-file", code: 1, problem: "no such file"},
		{args: good, code: 1, problem: "say which with --source"},
		{args: "--source none " + good, code: 1, problem: "no source of provider native has this name"},
		{args: "--source other " + good, code: 1, problem: "401"},
		{args: "--format xml " + good, code: 1, problem: "--format"},
	} {
		args := append([]string{"import", "--config", config, "--url", server.URL}, strings.Fields(c.args)...)
		code, out, errOut := posthorn(t, args...)
		if code != c.code || !strings.Contains(errOut, c.problem) {
			t.Errorf("%s: code %d, output %q, error %q", c.args, code, out, errOut)
		}
		for _, want := range c.out {
			if !strings.Contains(out, want) {
				t.Errorf("%s: output %q lacks %q", c.args, out, want)
			}
		}
	}
}
