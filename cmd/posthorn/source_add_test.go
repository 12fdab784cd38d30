package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/provider/console"
	"github.com/posthorn/posthorn/internal/config"
)

// sendgridKey is the public key of the example in SendGrid's documentation.
const sendgridKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="

// addArgs are what a provider needs beside its name in one way.
func addArgs(t *testing.T, name string, way console.Way) []string {
	t.Helper()
	args := []string{"--provider", name, "--auth", string(way), "--public-url", "https://hooks.example.com"}
	c, _ := console.Of(name)
	switch {
	case c.Topics:
		args = append(args, "--topic", "arn:aws:sns:eu-west-1:123456789012:mail")
	case way != console.Signature || c.NewKey != nil:
	case name == "sendgrid":
		args = append(args, "--key", "file:"+file(t, "key", sendgridKey))
	case name == "resend":
		args = append(args, "--key", "file:"+file(t, "key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	default:
		args = append(args, "--key", "file:"+file(t, "key", "the key that the provider has given"))
	}
	return args
}

// addAll adds a source of each provider in each way to a file, and returns their
// names.
func addAll(t *testing.T, path string) (names []string) {
	t.Helper()
	for _, p := range provider.Names() {
		c, _ := console.Of(p)
		for _, way := range c.Ways {
			name := p + "." + string(way)
			code, out, errOut := posthorn(t, append([]string{"source", "add", name, "-c", path}, addArgs(t, p, way)...)...)
			if code != 0 || !strings.Contains(out, "hooks.example.com"+cmp.Or(c.Path, webhooksPath+name)+"\n") {
				t.Fatalf("%s: code %d\n%s%s", name, code, out, errOut)
			}
			names = append(names, name)
		}
	}
	return names
}

func TestSourceAddEveryProvider(t *testing.T) {
	t.Chdir(t.TempDir())
	path := file(t, "posthorn.yaml", "# ours\ntenant: acme # the only one\n\nlog:   {level: warn}\n")
	names := addAll(t, path)
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "# ours\ntenant: acme # the only one\n\nlog:   {level: warn}\nsources:\n") {
		t.Errorf("%v:\n%s", err, text)
	}
	cfg, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(config.NeedSources); err != nil {
		t.Error(err)
	}
	var got []string
	for _, s := range cfg.Sources {
		got = append(got, s.Name)
		creds, err := credentials(s)
		if err != nil {
			t.Error(err)
			continue
		}
		p, _ := provider.ByName(s.Provider)
		if _, err := p.Verifier(creds); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		for _, secret := range append(creds.Passwords, creds.Keys...) {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s: its secret stands in the configuration", s.Name)
			}
		}
		for _, ref := range []config.Secret{s.Password, s.Key} {
			if info, err := os.Stat(ref.File); !ref.IsZero() && (err != nil || info.Mode().Perm()&0o077 != 0) {
				t.Errorf("%s: %s: %v, %v", s.Name, ref, info, err)
			}
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("%v, want %v", got, names)
	}
}

func TestSourceAddRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	const before = "sources:\n  - {name: there, provider: mailjet}\n"
	good := file(t, "good.yaml", before)
	invalid := file(t, "invalid.yaml", "kafka: {partitions: 0}\n")
	taken := file(t, "taken.yaml", "")
	if err := os.WriteFile(filepath.Join(filepath.Dir(taken), "shop.password"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	mailjet := "shop --provider mailjet "
	for _, c := range []struct{ args, path, problem string }{
		{"shop", good, "--provider: is missing: one of brevo, "},
		{"shop --provider pigeon", good, `--provider: "pigeon" is unknown`},
		{mailjet, "", "--config: is missing"},
		{"there --provider mailjet", good, `source "there" is there already`},
		{"../there --provider mailjet", good, "is no name"},
		{mailjet, invalid, "kafka.partitions: 0 is out of range"},
		{mailjet, taken, "shop.password is there already, and is not written over"},
		{mailjet, file(t, "flow.yaml", "{tenant: acme}"), "by hand add this to its sources, and make the file that it names:\n- name: shop\n  provider: mailjet\n"},
		{mailjet, file(t, "broken.yaml", "tenant: ["), "broken.yaml"},
		{mailjet + "--public-url hooks.example.com", good, "--public-url: is no address"},
		{mailjet + "--public-url https://u:p@h", good, "--public-url: leave out user"},
		{mailjet + "--auth signature", good, `--auth: "signature" is nothing that mailjet knows: one of basic`},
		{mailjet + "--key env:X", good, "--key: mailjet has none"},
		{mailjet + "--topic arn:aws:sns:eu-west-1:1:t", good, "--topic: mailjet has no Amazon SNS topics"},
		{mailjet + "--secret-dir a --secret-env B", good, "give one of them"},
		{mailjet + "--header X-A", good, "--header: goes with --auth header only"},
		{"s --provider ses", good, "--topic: is missing"},
		{"s --provider ses --topic mail", good, "--topic: have mail, which is no ARN"},
		{"s --provider mailgun", good, "--key: is missing: the HTTP webhook signing key"},
		{"s --provider resend --public-url https://h.example", good, "URL: https://h.example/v1/webhooks/s\n"},
		{"s --provider mailgun --key topsecret", good, "--key: write env:NAME or file:PATH"},
		{"s --provider mailgun --key file:/no/such", good, "/no/such"},
		{"s --provider mailgun --key -", good, "--key -: nothing was read"},
		{"s --provider sendgrid --key file:" + file(t, "k", "no key"), good, "--key: is not base64"},
		{"s --provider mandrill", good, "--public-url: is missing: Mandrill signs the address"},
	} {
		args := append([]string{"source", "add"}, strings.Fields(c.args)...)
		var text []byte
		var there []string
		if c.path != "" {
			args = append(args, "--config", c.path)
			text, _ = os.ReadFile(c.path)
			there, _ = filepath.Glob(filepath.Join(filepath.Dir(c.path), "*"))
		}
		code, out, errOut := posthorn(t, args...)
		if code != 1 || !strings.Contains(errOut, c.problem) || strings.Contains(errOut, "topsecret") {
			t.Errorf("%s: code %d, %q, want %q", c.args, code, errOut, c.problem)
		}
		if c.path == "" {
			continue
		}
		if after, err := os.ReadFile(c.path); err != nil || !bytes.Equal(after, text) || out != "" {
			t.Errorf("%s: the file was changed, %v:\n%s\n%s", c.args, err, after, out)
		}
		if now, _ := filepath.Glob(filepath.Join(filepath.Dir(c.path), "*")); !slices.Equal(now, there) {
			t.Errorf("%s: left behind: %v", c.args, now)
		}
	}
	if kept, _ := os.ReadFile(filepath.Join(filepath.Dir(taken), "shop.password")); string(kept) != "kept" {
		t.Errorf("the secret of another was written over: %q", kept)
	}
}

func TestSourceAddSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := t.TempDir()
	path := filepath.Join(dir, "conf", "posthorn.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	add := func(in string, args ...string) string {
		t.Helper()
		var o, e bytes.Buffer
		if code := Run(t.Context(), append([]string{"source", "add", "--config", path}, args...), strings.NewReader(in), &o, &e); code != 0 {
			t.Fatalf("%v: %s", args, e.String())
		}
		return o.String()
	}
	// The file does not exist yet: it is made.
	out := add("", "env", "--provider", "mailjet", "--secret-env", "SHOP_PASSWORD")
	if m := regexp.MustCompile(`export SHOP_PASSWORD=([0-9a-f]{32})\n`).FindStringSubmatch(out); m == nil || !strings.Contains(out, "https://env:"+m[1]+"@YOUR-HOST/v1/webhooks/env") {
		t.Errorf("%s", out)
	}
	// A variable that is not set here keeps nobody from adding the next.
	add("", "dir", "--provider", "json", "--secret-dir", filepath.Join(dir, "secrets"))
	add("the key\n", "stdin", "--provider", "mailgun", "--key", "-")
	if out := add("", "shared", "--provider", "mailjet", "--account", "dir", "--username", "mj"); strings.Count(out, "mj:") != 1 {
		t.Errorf("the password is not shown once:\n%s", out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"password: {env: SHOP_PASSWORD}\n", "key: {file: " + filepath.Join(dir, "secrets", "dir.key") + "}\n", "key: {file: stdin.key}\n",
		"    account: dir\n    username: mj\n    password: {file: shared.password}\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for name, want := range map[string]string{"conf/stdin.key": `^the key\n$`, "secrets/dir.key": `^[0-9a-f]{64}\n$`, "conf/shared.password": `^[0-9a-f]{32}\n$`} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !regexp.MustCompile(want).Match(got) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A configuration may be a link to where it really is, and be read by others.
func TestSourceAddKeepsLinkAndMode(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "posthorn.yaml")
	if err := os.WriteFile(path, []byte("tenant: acme\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.yaml", link); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := posthorn(t, "source", "add", "shop", "--provider", "mailjet", "--config", link); code != 0 {
		t.Fatal(errOut)
	}
	info, err := os.Stat(path)
	text, _ := os.ReadFile(path)
	if err != nil || info.Mode().Perm() != 0o640 || !strings.Contains(string(text), "name: shop") {
		t.Errorf("%v, %v: %s", info.Mode(), err, text)
	}
	if to, err := os.Readlink(link); err != nil || to != "real.yaml" {
		t.Errorf("the link leads to %q: %v", to, err)
	}
}

func TestSourceList(t *testing.T) {
	t.Chdir(t.TempDir())
	path := file(t, "posthorn.yaml", `sources:
  - {name: shop, provider: mailjet, account: acme, username: u, password: topsecret, url: "https://u:topsecret@h.example/v1/webhooks/shop"}
  - {name: ses, provider: ses, topics: ["arn:aws:sns:eu-west-1:1:a"], disabled: true}
  - {name: open, provider: sendgrid}
  - {name: json, provider: json, header: X-Sig, key: {env: POSTHORN_TEST_NOT_SET}}
`)
	code, out, errOut := posthorn(t, "source", "list", "-c", path, "--listen", "127.0.0.1:7000")
	if code != 0 || strings.Contains(out, "topsecret") {
		t.Fatalf("code %d: %s%s", code, out, errOut)
	}
	for _, row := range []string{
		`shop +│ mailjet +│ acme +│ https://h.example/v1/webhooks/shop +│ Basic authentication +│ on `,
		`ses +│ ses +│ ses +│ http://127.0.0.1:7000/v1/webhooks/ses +│ Amazon SNS signature +│ disabled +│ arn:aws:sns:eu-west-1:1:a `,
		`open .*nothing: open to everybody`, `json .*HMAC-SHA256 in X-Sig`,
	} {
		if !regexp.MustCompile(row).MatchString(out) {
			t.Errorf("no row %s in\n%s", row, out)
		}
	}
	code, out, errOut = posthorn(t, "source", "list", "-c", path, "--output", "json")
	var lines []map[string]any
	if err := json.Unmarshal([]byte(out), &lines); err != nil || code != 0 || len(lines) != 4 || lines[1]["disabled"] != true || lines[0]["verified_by"] != "Basic authentication" || strings.Contains(out, "topsecret") {
		t.Errorf("code %d, %v: %s%s", code, err, out, errOut)
	}
	if code, _, errOut := posthorn(t, "source", "list", "--output", "xml", "-c", path); code != 1 || !strings.Contains(errOut, "--output table or --output json") {
		t.Errorf("%s", errOut)
	}
	if code, _, errOut := posthorn(t, "source", "list"); code != 1 || !strings.Contains(errOut, "no source is configured") {
		t.Errorf("%s", errOut)
	}
}
