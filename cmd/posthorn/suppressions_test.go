package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/schemas"
)

// TestUnsuppressIsDecoded: what an operator writes becomes an event as any other
// webhook, and lifts what was in force.
func TestUnsuppressIsDecoded(t *testing.T) {
	serde := schemas.NewLocalSerde()
	decoder, err := streamtest.New(normalize.Stage(normalize.Config{Serde: serde, Secret: normalize.OneSecret([]byte("0123456789abcdef"))}), 0)
	if err != nil {
		t.Fatal(err)
	}
	state, err := streamtest.New(engagement.Stage(engagement.Config{Serde: serde}), 0)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)
	process := func(hook *schemas.Webhook) schemas.Suppression {
		t.Helper()
		if err := decoder.Process(&kgo.Record{Value: serde.Append(nil, schemas.TopicWebhooks, hook), Timestamp: hook.ReceivedAt.Time()}); err != nil {
			t.Fatal(err)
		}
		if err := decoder.Commit(); err != nil {
			t.Fatal(err)
		}
		for _, rec := range decoder.Take(schemas.TopicEventsByRecipient) {
			if err := state.Process(&kgo.Record{Key: rec.Key, Value: rec.Value}); err != nil {
				t.Fatal(err)
			}
		}
		if err := state.Commit(); err != nil {
			t.Fatal(err)
		}
		var s schemas.Suppression
		for _, rec := range state.Take(schemas.TopicSuppressions) {
			if err := serde.Decode(rec.Value, &s); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	body := []byte(fmt.Sprintf(`{"type":"complained","recipient":"Anna@example.org","message_id":"m","occurred_at":%q}`, now.Format(time.RFC3339)))
	complaint := &schemas.Webhook{ID: schemas.ID{1}, Tenant: "default", Account: "shop", Source: "s", Provider: "native", ReceivedAt: schemas.FromTime(now), ContentType: "application/json", Body: body, CRC32C: schemas.Checksum(body)}
	if s := process(complaint); !s.Active || s.Reason != schemas.SuppressionReasonComplaint || s.Recipient != "anna@example.org" {
		t.Fatalf("after a complaint: %+v", s)
	}
	for _, list := range []string{"7", ""} {
		hook, err := unsuppressWebhook("default", " anna@example.org", list, "by phone", now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if !hook.Intact() || hook.Verified != "operator" {
			t.Errorf("the webhook is %+v", hook)
		}
		s := process(hook)
		if list != "" && s.Tenant != "" {
			t.Errorf("list 7 is lifted, which was not suppressed: %+v", s)
		}
		if list == "" && (s.Active || s.LiftedAt != schemas.FromTime(now.Add(time.Minute)) || s.Revision != 2) {
			t.Errorf("after it was lifted: %+v", s)
		}
	}
	if rejected := decoder.Take(schemas.TopicRejected); len(rejected) > 0 {
		t.Errorf("%d were rejected", len(rejected))
	}
}

// fakeAPI answers checks: in force until it has been asked a few times.
type fakeAPI struct {
	asked, liftedAfter atomic.Int64
	scope              string
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Address, List string }
	if r.Method != http.MethodPost || r.URL.RawQuery != "" || json.NewDecoder(r.Body).Decode(&body) != nil {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	check := analytics.SuppressionCheck{Address: body.Address, Suppressions: []analytics.Suppression{}}
	if f.asked.Add(1) <= f.liftedAfter.Load() {
		check.Suppressed = f.scope == "all"
		check.Suppressions = append(check.Suppressions, analytics.Suppression{Address: body.Address, Scope: f.scope, Reason: "unsubscribe", Active: true})
	}
	_ = json.NewEncoder(w).Encode(check) // The caller would tell.
}

// oneRecord waits for the next record.
func oneRecord(t *testing.T, cl *kgo.Client) *kgo.Record {
	t.Helper()
	for {
		fetches := cl.PollRecords(t.Context(), 1)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		if all := fetches.Records(); len(all) > 0 {
			return all[0]
		}
	}
}

func TestUnsuppress(t *testing.T) {
	t.Chdir(t.TempDir())
	flags, serde, cl := cluster(t)
	cl.AddConsumeTopics(schemas.TopicWebhooks)
	for _, c := range []struct {
		args        string
		scope       string
		liftedAfter int64
		code        int
		out         []string
		errOut      string
		written     bool
	}{
		{args: "anna@example.org", scope: "all", liftedAfter: 3, out: []string{"must not be mailed", "unsubscribe", "Written to posthorn.webhooks as ", "Lifted."}, written: true},
		{args: "anna@example.org", out: []string{"may be mailed", "There is nothing to lift."}},
		{args: "anna@example.org --list 7", scope: "list:7", liftedAfter: 2, out: []string{"Lifted."}, written: true},
		{args: "anna@example.org --list 7", scope: "all", liftedAfter: 9, out: []string{"There is nothing of list 7 to lift."}},
		{args: "anna@example.org --timeout 300ms", scope: "all", liftedAfter: 1 << 40, code: 1, errOut: "still in force", written: true},
		{args: "anna@example.org --no-wait", scope: "all", liftedAfter: 9, out: []string{"Written to"}, written: true},
		{args: "anna", code: 1, errOut: "no e-mail address"},
		{args: "anna@example.org --api 127.0.0.1:1", code: 1, errOut: "--no-wait"},
	} {
		api := &fakeAPI{scope: c.scope}
		api.liftedAfter.Store(c.liftedAfter)
		server := httptest.NewServer(api)
		args := append([]string{"suppressions", "unsuppress"}, flags...)
		args = append(append(args, "--reason", "by phone", "--api", strings.TrimPrefix(server.URL, "http://")), strings.Fields(c.args)...)
		code, out, errOut := posthorn(t, args...)
		server.Close()
		if code != c.code || !strings.Contains(errOut, c.errOut) {
			t.Errorf("%s: code %d: %s", c.args, code, errOut)
		}
		for _, want := range c.out {
			if !strings.Contains(out, want) {
				t.Errorf("%s: the output lacks %q:\n%s", c.args, want, out)
			}
		}
		if !c.written {
			continue
		}
		var hook schemas.Webhook
		if serde.Decode(oneRecord(t, cl).Value, &hook) != nil || !strings.Contains(string(hook.Body), `"description":"by phone"`) || strings.Contains(c.args, "--list") != strings.Contains(string(hook.Body), `"list_id":"7"`) {
			t.Errorf("%s: written %s", c.args, hook.Body)
		}
	}
	// The next one after them all is this test's own.
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: schemas.TopicWebhooks, Key: []byte("end")}, &kgo.Record{Topic: schemas.TopicWebhooks, Partition: 1, Key: []byte("end")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if rec := oneRecord(t, cl); string(rec.Key) != "end" {
			t.Errorf("one more webhook was written: %s", rec.Value)
		}
	}
}

func TestSuppressionCheckTellsByItsCode(t *testing.T) {
	t.Chdir(t.TempDir())
	for scope, code := range map[string]int{"all": 1, "list:7": 0} {
		api := &fakeAPI{scope: scope}
		api.liftedAfter.Store(9)
		server := httptest.NewServer(api)
		address := strings.TrimPrefix(server.URL, "http://")
		for _, form := range []string{"--json=false", "--json"} {
			got, out, errOut := posthorn(t, "suppressions", "check", "anna@example.org", form, "--api", address)
			if got != code || errOut != "" || !strings.Contains(out, "anna@example.org") || !strings.Contains(out, scope) {
				t.Errorf("%s %s: code %d: %s%s", scope, form, got, out, errOut)
			}
		}
		server.Close()
	}
}

func TestSuppressionsList(t *testing.T) {
	t.Chdir(t.TempDir())
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path + "?" + r.URL.RawQuery
		if r.URL.Query().Get("reason") == "spam" {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(analytics.Problem{Title: "Bad parameter", Detail: "reason: want one of hard_bounce"})
			return
		}
		if r.URL.Query().Get("format") == "csv" {
			fmt.Fprint(w, "address\nanna@example.org\n")
			return
		}
		_ = json.NewEncoder(w).Encode(analytics.SuppressionList{Suppressions: []analytics.Suppression{{Address: "anna@example.org", Scope: "all", Reason: "complaint", Active: true}}, Next: "zz"})
	}))
	defer server.Close()
	for _, c := range []struct {
		args, asked, out, errOut string
		code                     int
	}{
		{args: "--reason complaint --updated-after 2026-03-01", asked: "/v1/suppressions?limit=100&reason=complaint&updated_after=2026-03-01", out: "--after zz"},
		{args: "--json --limit 5 --after zz", asked: "/v1/suppressions?after=zz&limit=5", out: `"next": "zz"`},
		{args: "--csv --active any", asked: "/v1/suppressions?active=any&format=csv", out: "address\nanna@example.org\n"},
		{args: "--csv --limit 7", asked: "/v1/suppressions?format=csv&limit=7", out: "address"},
		{args: "--csv --json", code: 1, errOut: "exclude each other"},
		{args: "--reason spam", asked: "/v1/suppressions?limit=100&reason=spam", code: 1, errOut: "want one of hard_bounce"},
	} {
		asked = ""
		code, out, errOut := posthorn(t, append([]string{"suppressions", "--api", strings.TrimPrefix(server.URL, "http://")}, strings.Fields(c.args)...)...)
		if code != c.code || asked != c.asked || !strings.Contains(out, c.out) || !strings.Contains(errOut, c.errOut) {
			t.Errorf("%s: code %d, asked %s\n%s%s", c.args, code, asked, out, errOut)
		}
	}
}
