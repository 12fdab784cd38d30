package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/schemas"
)

var nativeSources = append([]Source{
	{Name: "shop", Tenant: "acme", Account: "shop", Provider: provider.Native{}, Credentials: provider.Credentials{Keys: []string{"new-token", "old-token"}}},
	{Name: "gone", Tenant: "acme", Provider: provider.Native{}, Credentials: provider.Credentials{Keys: []string{"gone-token"}}, Disabled: true},
}, sources...)

func uploadGateway(t testing.TB, p Producer, change func(*Config)) *Gateway {
	return gateway(t, p, func(cfg *Config) {
		cfg.Sources = nativeSources
		if change != nil {
			change(cfg)
		}
	})
}

// native is a good event; n tells it from others.
func native(n int) string {
	return fmt.Sprintf(`{"type":"opened","recipient":"r%d@example.com","message_id":"m%d","occurred_at":%d}`, n, n, time.Now().Add(-time.Minute).Unix())
}

func natives(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(native(i))
		b.WriteByte('\n')
	}
	return b.String()
}

type uploadAnswer struct {
	Status             int
	Type, Detail       string
	Accepted, Rejected int64
	Webhooks           int64
	WebhookIDs         []schemas.ID `json:"webhook_ids"`
	IgnoredFields      []string     `json:"ignored_fields"`
	StoredThroughLine  *int64       `json:"stored_through_line"`
	StoredThroughIndex *int64       `json:"stored_through_index"`
	Errors             []struct {
		Line, Index           *int64
		Field, Reason, Detail string
	}
}

// uploadRequest has headers in pairs.
func uploadRequest(body io.Reader, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/events", body)
	r.Header.Set("Authorization", "Bearer new-token")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func uploadOf(t testing.TB, g *Gateway, r *http.Request) (uploadAnswer, http.Header) {
	t.Helper()
	w := answerOf(g, r)
	var a uploadAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("status %d, %q: %v", w.Code, w.Body, err)
	}
	want := "application/problem+json"
	if w.Code == 200 {
		want, a.Status = "application/json", 200
	}
	if a.Status != w.Code || w.Header().Get("Content-Type") != want {
		t.Errorf("status %d, said %d as %s", w.Code, a.Status, w.Header().Get("Content-Type"))
	}
	return a, w.Header()
}

// decodedEvents are the events of all webhooks that are stored, by event id.
func decodedEvents(t testing.TB, hooks []schemas.Webhook) (ids []string) {
	t.Helper()
	for _, h := range hooks {
		p, _ := provider.ByName(h.Provider)
		p.Decode(&h, func(_ int, ev *schemas.Event, err error) {
			if err != nil {
				t.Errorf("decoding what was accepted: %v", err)
				return
			}
			ids = append(ids, ev.EventID.String())
		})
	}
	slices.Sort(ids)
	return ids
}

func compressed(t testing.TB, encoding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := io.WriteCloser(gzip.NewWriter(&b))
	if encoding == "zstd" {
		w, _ = zstd.NewWriter(&b)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUploadForms(t *testing.T) {
	pretty := "[\n" + strings.ReplaceAll(native(0), `,"`, ",\n\t\"") + ",\r\n" + native(1) + "\n]"
	for _, c := range []struct {
		name, body string
		headers    []string
		events     int
	}{
		{"an object", native(0), []string{"Content-Type", "application/json"}, 1},
		{"an array", pretty, []string{"Content-Type", "application/json; charset=utf-8"}, 2},
		{"an empty array", "[]", []string{"Content-Type", "application/json"}, 0},
		{"lines", "\n" + native(0) + "\r\n\n" + native(1), []string{"Content-Type", "application/x-ndjson"}, 2},
		{"lines that curl calls a form", natives(2), []string{"Content-Type", "application/x-www-form-urlencoded"}, 2},
		{"a pretty object of no type", strings.ReplaceAll(native(0), `,"`, ",\n\"") + "\n", nil, 1},
		{"gzip", string(compressed(t, "gzip", natives(3))), []string{"Content-Encoding", "gzip", "Content-Type", "application/x-ndjson"}, 3},
		{"zstd", string(compressed(t, "zstd", natives(3))), []string{"Content-Encoding", "zstd", "Content-Type", "application/jsonl"}, 3},
		{"more than one webhook", natives(1200), []string{"Content-Type", "application/x-ndjson"}, 1200},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := cluster(t)
			g := uploadGateway(t, producer(t, cl), nil)
			a, _ := uploadOf(t, g, uploadRequest(strings.NewReader(c.body), c.headers...))
			if a.Status != 200 || a.Accepted != int64(c.events) {
				t.Fatalf("%+v", a)
			}
			hooks := stored(t, cl)
			if ids := slices.Compact(decodedEvents(t, hooks)); len(ids) != c.events {
				t.Errorf("%d different events are stored, want %d", len(ids), c.events)
			}
			if len(hooks) != int(a.Webhooks) || len(hooks) != (c.events+groupEvents-1)/groupEvents || len(a.WebhookIDs) != len(hooks) {
				t.Errorf("%d webhooks for %d events, %d said, %d ids", len(hooks), c.events, a.Webhooks, len(a.WebhookIDs))
			}
			for _, h := range hooks {
				if h.Verified != "bearer" || h.Source != "shop" || h.Account != "shop" || h.Provider != "native" || h.ContentType != provider.TypeNDJSON || h.Headers["content-encoding"] != "" {
					t.Errorf("stored as %+v", h)
				}
			}
			if used := g.budget.inUse() + g.pending.inUse(); used != 0 {
				t.Errorf("%v of the budgets are still taken", used)
			}
		})
	}
}

func TestUploadRefusals(t *testing.T) {
	g := uploadGateway(t, producer(t, cluster(t)), nil)
	bomb := compressed(t, "gzip", strings.Repeat(" ", 64<<20))
	for _, c := range []struct {
		name    string
		r       *http.Request
		status  int
		headers [2]string
	}{
		{"no token", uploadRequest(strings.NewReader(native(0)), "Authorization", ""), 401, [2]string{"WWW-Authenticate", `Bearer realm="posthorn"`}},
		{"another token", uploadRequest(strings.NewReader(native(0)), "Authorization", "Bearer x"), 401, [2]string{"WWW-Authenticate", `Bearer realm="posthorn"`}},
		{"not a bearer token", uploadRequest(strings.NewReader(native(0)), "Authorization", "Basic new-token"), 401, [2]string{}},
		{"disabled", uploadRequest(strings.NewReader(native(0)), "Authorization", "Bearer gone-token"), 410, [2]string{}},
		{"another type", uploadRequest(strings.NewReader("<a/>"), "Content-Type", "application/xml"), 415, [2]string{}},
		{"another encoding", uploadRequest(strings.NewReader("x"), "Content-Encoding", "br"), 415, [2]string{"Accept-Encoding", "gzip, zstd, identity"}},
		{"empty", uploadRequest(strings.NewReader(""), "Content-Type", "application/json"), 400, [2]string{}},
		{"damaged gzip", uploadRequest(strings.NewReader("\x1f\x8bx"), "Content-Encoding", "gzip"), 400, [2]string{"Connection", "close"}},
		{"cut gzip", uploadRequest(bytes.NewReader(compressed(t, "gzip", natives(9))[:60]), "Content-Encoding", "gzip"), 400, [2]string{}},
		{"bomb", uploadRequest(bytes.NewReader(bomb), "Content-Encoding", "gzip"), 413, [2]string{"Connection", "close"}},
		{"cut off", uploadRequest(broken{}, "Content-Type", "application/json"), 400, [2]string{"Connection", "close"}},
		{"a key with quotes", uploadRequest(strings.NewReader(native(0)), "Idempotency-Key", `a"b`), 400, [2]string{}},
		{"a key that is empty", uploadRequest(strings.NewReader(native(0)), "Idempotency-Key", `""`), 400, [2]string{}},
		{"a key that is long", uploadRequest(strings.NewReader(native(0)), "Idempotency-Key", strings.Repeat("k", 300)), 400, [2]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := answerOf(g, c.r)
			wantProblem(t, w, c.status, "/v1/events")
			if c.headers[0] != "" && w.Header().Get(c.headers[0]) != c.headers[1] {
				t.Errorf("%s is %q", c.headers[0], w.Header().Get(c.headers[0]))
			}
		})
	}
	r := uploadRequest(nil)
	r.Method = http.MethodGet
	if w := answerOf(g, r); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", w.Code)
	}
	if used := g.budget.inUse() + g.pending.inUse(); used != 0 {
		t.Errorf("%v of the budgets are still taken", used)
	}
}

func TestUploadKeepsWhatIsGood(t *testing.T) {
	cl := cluster(t)
	g := uploadGateway(t, producer(t, cl), nil)
	lines := []string{
		native(0), `{"type":"opened"`, native(1), "", `7`, `{"recipient":"a@b","occurred_at":1}`,
		`{"type":"opned","recipient":"a@b","occurred_at":"yesterday","colour":"red"}`, strings.Repeat("x", 2<<20), native(2),
	}
	a, _ := uploadOf(t, g, uploadRequest(strings.NewReader(strings.Join(lines, "\n")), "Content-Type", "application/x-ndjson"))
	if a.Status != 422 || a.Accepted != 3 || a.Rejected != 5 || !slices.Equal(a.IgnoredFields, []string{"colour"}) {
		t.Errorf("%+v", a)
	}
	var got []string
	for _, e := range a.Errors {
		if e.Detail == "" {
			t.Errorf("no detail: %+v", e)
		}
		got = append(got, fmt.Sprint(*e.Line, " ", e.Field, " ", e.Reason))
	}
	want := []string{"2  bad_json", "5  not_an_event", "6 type missing_field", "6 occurred_at bad_field", "7 type bad_field", "7 occurred_at bad_field", "8  too_large"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if ids := decodedEvents(t, stored(t, cl)); len(ids) != 3 {
		t.Errorf("%d events are stored", len(ids))
	}

	a, _ = uploadOf(t, g, uploadRequest(strings.NewReader("["+native(0)+",{},"+native(1)+",{]"), "Content-Type", "application/json"))
	if a.Status != 400 || a.Accepted != 2 || a.Rejected != 1 || a.StoredThroughIndex == nil || *a.StoredThroughIndex != 2 {
		t.Errorf("an array that breaks: %+v", a)
	}
	if last := a.Errors[len(a.Errors)-1]; *last.Index != 3 || last.Reason != "bad_json" {
		t.Errorf("the break is told as %+v", last)
	}
	many := strings.Repeat("{}\n", 5000)
	if a, _ = uploadOf(t, g, uploadRequest(strings.NewReader(many), "Content-Type", "application/x-ndjson")); a.Rejected != 5000 || len(a.Errors) != maxUploadErrors {
		t.Errorf("%d are rejected, %d errors listed", a.Rejected, len(a.Errors))
	}
}
