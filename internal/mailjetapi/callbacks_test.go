package mailjetapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/mailjetapi/mailjettest"
)

const address = "https://shop:p4ss@hooks.example.com/v1/webhooks/shop"

func client(t *testing.T, s *mailjettest.Server) *Client {
	t.Helper()
	c, err := New(Config{
		PublicKey: mailjettest.PublicKey, PrivateKey: mailjettest.PrivateKey, BaseURL: s.URL, FirstPause: time.Millisecond, Patience: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connect does what there is to do and returns the actions.
func connect(t *testing.T, c *Client) (actions []Action, err error) {
	t.Helper()
	existing, err := c.Callbacks(t.Context())
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range Plan(existing, address, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)) {
		actions = append(actions, s.Action)
		errs = append(errs, c.Apply(t.Context(), s))
	}
	return actions, errors.Join(errs...)
}

func TestTheDocumentedRequests(t *testing.T) {
	s := mailjettest.Start(t)
	c := client(t, s)
	if _, err := connect(t, c); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /v3/REST/eventcallbackurl?Limit=1000"}
	for _, name := range EventTypes() {
		want = append(want, `POST /v3/REST/eventcallbackurl {"EventType":"`+name+`","Url":"`+address+`","Version":2,"IsBackup":false}`)
	}
	if got := s.Requests(); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, cb := range s.Callbacks() {
		if cb.URL != address || cb.Version != 2 || cb.IsBackup {
			t.Errorf("%+v", cb)
		}
	}
	// A second time there is nothing to do.
	actions, err := connect(t, c)
	if err != nil || slices.ContainsFunc(actions, func(a Action) bool { return a != Keep }) || len(s.Requests()) != len(want)+1 {
		t.Errorf("%v, %v, %d requests", actions, err, len(s.Requests()))
	}
}

func TestOnlyWhatDiffersIsChanged(t *testing.T) {
	var there []mailjettest.Callback
	for i, name := range EventTypes() {
		there = append(there, mailjettest.Callback{ID: int64(i), EventType: name, URL: address, Version: 2, Status: "alive"},
			mailjettest.Callback{ID: int64(100 + i), EventType: name, URL: "https://backup.example.com", Version: 1, Status: "dead", IsBackup: true})
	}
	set := func(name string) *mailjettest.Callback {
		return &there[2*slices.Index(EventTypes(), name)]
	}
	set("open").URL = "https://old.example.com/"
	set("click").Version = 1
	set("spam").Status = "dead"
	set("unsub").URL = address + "?renewed=20260101T000000Z"
	set("blocked").EventType = "typofix" // of old: not touched
	s := mailjettest.Start(t, there...)
	c := client(t, s)
	actions, err := connect(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Action{Keep, Change, Change, Keep, Create, Change, Keep}; !slices.Equal(actions, want) {
		t.Errorf("%v, want %v", actions, want)
	}
	want := []string{
		"GET /v3/REST/eventcallbackurl?Limit=1000",
		`PUT /v3/REST/eventcallbackurl/1 {"Url":"` + address + `","Version":2}`,
		`PUT /v3/REST/eventcallbackurl/2 {"Url":"` + address + `","Version":2}`,
		`POST /v3/REST/eventcallbackurl {"EventType":"blocked","Url":"` + address + `","Version":2,"IsBackup":false}`,
		`PUT /v3/REST/eventcallbackurl/5 {"Url":"` + address + `?renewed=20261124T120000Z","Version":2}`,
	}
	if got := s.Requests(); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, cb := range s.Callbacks() {
		if cb.IsBackup && (cb.URL != "https://backup.example.com" || cb.Status != "dead") || !cb.IsBackup && cb.Status != "alive" {
			t.Errorf("%+v", cb)
		}
	}
	if actions, err := connect(t, c); err != nil || slices.ContainsFunc(actions, func(a Action) bool { return a != Keep }) {
		t.Errorf("a second time: %v, %v", actions, err)
	}
}

// A callback may have been made although the answer says that it failed: made
// again, it would be refused as there already.
func TestLostAnswersAreLookedAfter(t *testing.T) {
	s := mailjettest.Start(t)
	s.Fail(func(n int, r *http.Request, after int) int {
		switch {
		case after == 0 && n%3 == 1:
			return http.StatusTooManyRequests
		case after == http.StatusCreated && n%2 == 0:
			return http.StatusBadGateway
		}
		return 0
	})
	if _, err := connect(t, client(t, s)); err != nil {
		t.Fatal(err)
	}
	if all := s.Callbacks(); len(all) != len(EventTypes()) {
		t.Errorf("callbacks %+v", all)
	}
}

func TestWhatCantSucceedIsNotTriedAgain(t *testing.T) {
	s := mailjettest.Start(t)
	c := client(t, s)
	c.cfg.PrivateKey = "wrong-private-key"
	_, err := c.Callbacks(t.Context())
	var answer *APIError
	if !errors.As(err, &answer) || answer.Status != http.StatusUnauthorized || !strings.Contains(err.Error(), "API keys") || strings.Contains(err.Error(), "wrong-private-key") {
		t.Errorf("%v", err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestPatienceEnds(t *testing.T) {
	s := mailjettest.Start(t)
	s.Fail(func(int, *http.Request, int) int { return http.StatusServiceUnavailable })
	c := client(t, s)
	c.cfg.Patience = 50 * time.Millisecond
	_, err := c.Callbacks(t.Context())
	if err == nil || !strings.Contains(err.Error(), "503") || len(s.Requests()) < 2 {
		t.Errorf("%v after %d requests", err, len(s.Requests()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Callbacks(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestErrorsDoNotShowPasswords(t *testing.T) {
	s := mailjettest.Start(t, mailjettest.Callback{ID: 1, EventType: "sent", URL: "https://x"})
	err := client(t, s).Apply(t.Context(), Step{EventType: "sent", Action: Create, URL: address}) // it is there already
	if err == nil || !strings.Contains(err.Error(), "already exists") || strings.Contains(err.Error(), "p4ss") {
		t.Errorf("%v", err)
	}
}

func TestKeysGoNowhereElse(t *testing.T) {
	for _, base := range []string{"http://api.mailjet.com", "ftp://x", "api.mailjet.com", "http://127.0.0.1.example.com"} {
		if _, err := New(Config{PublicKey: "a", PrivateKey: "b", BaseURL: base}); err == nil {
			t.Errorf("%s is taken", base)
		}
	}
	if _, err := New(Config{PublicKey: "a"}); err == nil {
		t.Error("one key is enough")
	}
}

func TestVersionAsText(t *testing.T) {
	var v Version
	if err := v.UnmarshalJSON([]byte(`"2"`)); err != nil || v != 2 {
		t.Errorf("%d, %v", v, err)
	}
	if err := v.UnmarshalJSON([]byte(`"two"`)); err == nil {
		t.Error("two is taken")
	}
}
