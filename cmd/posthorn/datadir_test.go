package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/internal/config"
)

func TestWhatIsGeneratedOnceStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	read := func(cfg *config.Config) string {
		t.Helper()
		secret, err := cfg.RecipientSecret.Value()
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	start := func() (*config.Config, bool) {
		t.Helper()
		cfg := config.Default()
		cfg.Data = dir
		fresh, err := prepareData(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.Validate(config.NeedSources, config.NeedRecipientSecret); err != nil {
			t.Fatal(err)
		}
		return cfg, fresh
	}
	first, fresh := start()
	if !fresh {
		t.Error("the first start does not tell the password")
	}
	second, fresh := start()
	if fresh || read(first) != read(second) || len(read(first)) != 64 {
		t.Errorf("the second start: fresh %t, %q and %q", fresh, read(first), read(second))
	}
	for _, name := range []string{recipientSecretFile, passwordFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOtherCommandsFindTheSession writes the file that a running posthorn
// leaves, and reads it as the commands beside it do.
func TestOtherCommandsFindTheSession(t *testing.T) {
	cfg := config.Default()
	cfg.Data = filepath.Join(t.TempDir(), "data")
	if _, err := prepareData(cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Kafka.Brokers, cfg.Registry.URL = []string{"127.0.0.1:1"}, "http://127.0.0.1:2"
	cfg.ClickHouse.DSN = "http://u:password@127.0.0.1:3/posthorn"
	cfg.Gateway.Listen = "127.0.0.1:4"
	cfg.Endpoints = []config.Endpoint{{Name: "shop", URL: "http://x", Secret: config.Secret{Inline: "not to be written"}}}
	text, err := cfg.Session()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "not to be written") {
		t.Errorf("a secret is written:\n%s", text)
	}
	if err := writeDurably(filepath.Join(cfg.Data, sessionFile), text); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := posthorn(t, "config", "--data", cfg.Data)
	if code != 0 || !strings.Contains(out, "- 127.0.0.1:1") || strings.Contains(out, "password@") {
		t.Errorf("code %d\n%s%s", code, out, errOut)
	}
	session, err := config.Load(filepath.Join(cfg.Data, sessionFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	url, err := sourceURL(session, 1)
	if err != nil || !strings.HasPrefix(url, "http://mailjet:") || !strings.HasSuffix(url, "@127.0.0.1:4/v1/webhooks/mailjet-backup") {
		t.Errorf("%s, %v", url, err)
	}
	if session.ClickHouse.DSN != cfg.ClickHouse.DSN {
		t.Errorf("DSN %s", session.ClickHouse.DSN)
	}
}
