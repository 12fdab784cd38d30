package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/internal/mailjetapi"
	"github.com/posthorn/posthorn/internal/mailjetapi/mailjettest"
)

func TestSourceConnect(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("MJ_APIKEY_PUBLIC", mailjettest.PublicKey)
	t.Setenv("MJ_APIKEY_PRIVATE", mailjettest.PrivateKey)
	path := file(t, "posthorn.yaml", "sources:\n  - {name: shop, provider: mailjet, username: u, password: topsecret/?}\n")
	account := mailjettest.Start(t,
		mailjettest.Callback{ID: 7, EventType: "open", URL: "https://x:topsecret@old.example/?token=topsecret", Version: 1, Status: "alive"})
	account.Fail(func(n int, _ *http.Request, _ int) int {
		if n == 3 {
			return http.StatusTooManyRequests
		}
		return 0
	})
	connect := func(wantCode int, args ...string) string {
		t.Helper()
		code, out, errOut := posthorn(t, append([]string{"source", "connect", "shop", "-c", path, "--api-url", account.URL, "--public-url", "https://hooks.example.com"}, args...)...)
		if out += errOut; code != wantCode || strings.Contains(out, "topsecret") || strings.Contains(out, mailjettest.PrivateKey) {
			t.Fatalf("%v: code %d\n%s", args, code, out)
		}
		return out
	}
	out := connect(0, "--dry-run")
	for _, want := range []string{
		"sent │ create", "https://u:xxxxx@hooks.example.com/v1/webhooks/shop", "open │ change", "https://x:xxxxx@old.example/?token=xxxxx", "7 would be set.",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := connect(1); !strings.Contains(out, "run it again with --yes to set 7 callbacks") || len(account.Callbacks()) != 1 {
		t.Errorf("without --yes: %s", out)
	}
	if out := connect(0, "--yes"); !strings.Contains(out, "7 are set.") {
		t.Errorf("%s", out)
	}
	all := account.Callbacks()
	if len(all) != len(mailjetapi.EventTypes()) {
		t.Errorf("%+v", all)
	}
	for _, cb := range all {
		if cb.URL != "https://u:topsecret%2F%3F@hooks.example.com/v1/webhooks/shop" || cb.Version != 2 || cb.IsBackup {
			t.Errorf("%+v", cb)
		}
	}
	if out := connect(0); !strings.Contains(out, "Everything is set already.") {
		t.Errorf("a second time: %s", out)
	}
}

func TestSourceConnectRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	account := mailjettest.Start(t)
	path := file(t, "posthorn.yaml", `sources:
  - {name: shop, provider: mailjet, username: u, password: topsecret, url: "https://h.example/v1/webhooks/shop"}
  - {name: open, provider: mailjet, url: "https://h.example/v1/webhooks/open"}
  - {name: nowhere, provider: mailjet, username: u, password: topsecret}
  - {name: sg, provider: sendgrid, username: u, password: topsecret, url: "https://h.example/v1/webhooks/sg"}
`)
	keys := []string{"--api-key", "file:" + file(t, "public", mailjettest.PublicKey), "--api-secret", "file:" + file(t, "private", "wrong")}
	for _, c := range []struct {
		args string
		keys []string
		says string
	}{
		{"shop", nil, "--api-key: environment variable MJ_APIKEY_PUBLIC is not set"},
		{"shop --api-key topsecret", nil, "--api-key: write env:NAME or file:PATH"},
		{"shop", keys, "401"},
		{"open", keys, "no username and password"},
		{"nowhere", keys, "--public-url: is missing"},
		{"nowhere --public-url http://h.example", keys, "--public-url: is not https"},
		{"sg", nil, "only Mailjet's callbacks can be set from here. By hand, at the provider:\n     URL: https://u:PASSWORD@h.example/v1/webhooks/sg\n  1. Settings, Mail Settings"},
	} {
		code, out, errOut := posthorn(t, append(append([]string{"source", "connect", "-c", path, "--api-url", account.URL}, strings.Fields(c.args)...), c.keys...)...)
		if code != 1 || !strings.Contains(errOut, c.says) || strings.Contains(out+errOut, "topsecret") {
			t.Errorf("%s: code %d, want %q:\n%s%s", c.args, code, c.says, out, errOut)
		}
	}
}
