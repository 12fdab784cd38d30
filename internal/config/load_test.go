package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEachLayerWinsOverTheOnesBefore(t *testing.T) {
	path := write(t, "posthorn.yaml", `
tenant: file
kafka: {brokers: [file:9092], partitions: 3}
gateway: {max_body: 2MiB, drain: 3s}
rules: [rules/*.yaml, /abs/x.yaml]
recipient_secret: {file: secret}
sources: [{name: mj, provider: mailjet}]
`)
	t.Setenv("POSTHORN_KAFKA_BROKERS", "env:1, env:2")
	t.Setenv("POSTHORN_TENANT", "env")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse([]string{"--brokers", "flag:1", "--brokers=flag:2"}); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, flags)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for _, x := range []struct{ field, got, want string }{
		{"default", c.API.Listen, "127.0.0.1:8090"},
		{"file", c.Gateway.MaxBody.String(), "2MiB"},
		{"file duration", c.Gateway.Drain.String(), (3 * time.Second).String()},
		{"env over file", c.Tenant, "env"},
		{"flag over env", strings.Join(c.Kafka.Brokers, " "), "flag:1 flag:2"},
		{"relative to the file", strings.Join(c.Rules, " "), dir + "/rules/*.yaml /abs/x.yaml"},
		{"secret file", c.RecipientSecret.File, dir + "/secret"},
		{"account of a source", c.Sources[0].Account, "mj"},
	} {
		if x.got != x.want {
			t.Errorf("%s: %q, want %q", x.field, x.got, x.want)
		}
	}
	if c.Kafka.Partitions != 3 {
		t.Errorf("partitions %d", c.Kafka.Partitions)
	}
}

func TestMistakesInTheFileNameLineAndKey(t *testing.T) {
	path := write(t, "posthorn.yaml", `tenant: x
gateway:
  listn: 127.0.0.1:1
kafka:
  partitions: many
endpoints:
  - name: a
    secret: {envv: X}
`)
	_, err := Load(path, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{path + `:3: unknown key "listn"`, path + ":5: ", path + ":8: ", `unknown key "envv"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	for name, text := range map[string]string{
		"two values":   "tenant: a\ntenant: b\n",
		"no yaml":      "tenant: [\n",
		"bad size":     "gateway: {max_body: huge}\n",
		"two secrets":  "recipient_secret: {env: A, file: b}\n",
		"empty secret": "recipient_secret: {env: ''}\n",
	} {
		if _, err := Load(write(t, "c.yaml", text), nil); err == nil || !strings.Contains(err.Error(), "c.yaml:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(write(t, "empty.yaml", ""), nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := Load("/no/such/file.yaml", nil); err == nil {
		t.Error("a missing file is no error")
	}
	t.Setenv("POSTHORN_KAFKA_PARTITIONS", "x")
	if _, err := Load("", nil); err == nil || !strings.Contains(err.Error(), "POSTHORN_KAFKA_PARTITIONS") {
		t.Errorf("bad variable: %v", err)
	}
}

func TestPrintMasksSecretsAndReadsBack(t *testing.T) {
	c := Default()
	c.RecipientSecret = Secret{Inline: "topsecret-recipient"}
	c.ClickHouse.DSN = "clickhouse://u:topsecret@h:9000/db?password=topsecret&dial_timeout=1s"
	c.Sources = []Source{{Name: "a", Provider: "mailjet", Account: "a", Username: "u", Password: Secret{Inline: "topsecret"}, URL: "https://u:topsecret@h/v1/webhooks/a"}}
	c.Endpoints = []Endpoint{{Name: "e", URL: "https://x", Secret: Secret{Env: "E"}}}
	var out strings.Builder
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "topsecret") {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
	back, err := Load(write(t, "back.yaml", out.String()), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if back.Endpoints[0].Secret.Env != "E" || back.Gateway != c.Gateway || back.Kafka.Partitions != 12 {
		t.Errorf("read back: %+v", back)
	}
	if s := c.RecipientSecret.String() + c.RecipientSecret.GoString(); strings.Contains(s, "topsecret") {
		t.Errorf("String shows it: %s", s)
	}
}

func TestEverySettingHasItsOwnVariableAndFlag(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		for _, name := range []string{s.Env(), "--" + s.Flag} {
			if name != "--" && seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if s.Flag != "" && s.Usage == "" {
			t.Errorf("--%s has no usage", s.Flag)
		}
	}
}
