package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/posthorn/posthorn/internal/config"
)

// Beside a running "up", its addresses count and the secrets of the
// configuration that both were given.
func TestSecretsOfTheConfigurationBesideUp(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "posthorn.yaml")
	for path, text := range map[string]string{
		file: `data: ` + dir + `
recipient_secret: 0123456789abcdef0123456789abcdef
sources: [{name: main, provider: mailjet, username: mailjet, password: hidden}]
`,
		filepath.Join(dir, sessionFile): `data: ` + dir + `
kafka: {brokers: ["127.0.0.1:1"]}
registry: {url: "http://127.0.0.1:2"}
sources: [{name: main, provider: mailjet}]
`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{file: file}
	cfg, err := a.load(a.verifyCommand(), config.NeedKafka, config.NeedRecipientSecret)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := cfg.RecipientSecret.Value()
	if err != nil || secret != "0123456789abcdef0123456789abcdef" || cfg.Registry.URL != "http://127.0.0.1:2" {
		t.Errorf("secret %q (%v), registry %s", secret, err, cfg.Registry.URL)
	}
	if s := cfg.Sources[0]; s.Username != "mailjet" || s.Password.IsZero() {
		t.Errorf("source %+v has no password", s)
	}
}
