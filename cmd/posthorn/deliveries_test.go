package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// answering runs a command with something on its standard input.
func answering(t *testing.T, input string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(t.Context(), args, strings.NewReader(input), &o, &e)
	return code, o.String(), e.String()
}

// field is a cluster with calls: of triggers 1 and 2, which failed, 3, which
// succeeded, and 4, which failed and whose trigger is gone.
type field struct {
	t     *testing.T
	kafka kafka.Config
	serde *schemas.Serde
	cl    *kgo.Client
}

func newField(t *testing.T) *field {
	t.Chdir(t.TempDir())
	flags, serde, cl := cluster(t)
	t.Setenv("POSTHORN_KAFKA_BROKERS", flags[1])
	t.Setenv("POSTHORN_REGISTRY_URL", flags[3])
	f := &field{t, kafka.Config{Brokers: []string{flags[1]}}, serde, cl}
	now := time.Now()
	for n := byte(1); n <= 4; n++ {
		tr := &schemas.Trigger{
			TriggerID: schemas.ID{n}, Rule: "discount", Status: schemas.TriggerStatusFired, Endpoint: "shop", RecipientID: schemas.ID{7, n}, ArrivedAt: schemas.FromTime(now),
		}
		if n < 4 {
			f.write(schemas.TopicTriggers, tr.RecipientID[:], tr)
		}
		d := &schemas.Delivery{
			TriggerID: tr.TriggerID, Rule: "discount", Endpoint: "shop", RecipientID: tr.RecipientID, Attempt: 1, AttemptedAt: schemas.FromTime(now),
			Status: schemas.DeliveryStatusFailed, StatusCode: 400, Error: "400 Bad Request",
		}
		if n == 3 {
			d.Status, d.StatusCode, d.Error = schemas.DeliveryStatusSucceeded, 200, ""
		}
		f.write(schemas.TopicDeliveries, tr.TriggerID[:], d)
	}
	return f
}

func (f *field) write(topic string, key []byte, v schemas.Record) {
	f.t.Helper()
	rec := &kgo.Record{Topic: topic, Key: key, Partition: kafka.PartitionFor(key, 2), Value: f.serde.Append(nil, topic, v)}
	if err := f.cl.ProduceSync(f.t.Context(), rec).FirstErr(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *field) asked() *controls.Snapshot {
	f.t.Helper()
	s, err := controls.Read(f.t.Context(), f.kafka)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// requests counts the calls that are asked for.
func (f *field) requests() (n int) {
	for _, list := range f.asked().Retries {
		n += len(list)
	}
	return n
}

func TestRetry(t *testing.T) {
	f := newField(t)
	id := func(n byte) string { return schemas.ID{n}.String() }
	for _, tt := range []struct {
		name, input, args string
		code              int
		out, problem      string
		requests          int // in all
	}{
		{"nothing named", "", "", 1, "", "--failed", 0},
		{"both", "", "--failed " + id(1), 1, "", "--failed", 0},
		{"no id", "", "x", 1, "", `"x" is no id`, 0},
		{"unknown", "", id(9), 1, "", "no call was made", 0},
		{"succeeded", "", id(3), 1, "", "--force", 0},
		{"a person says no", "n\n", "--failed", 1, "3 calls failed: 3 to shop for discount\n1 call can't be made", "nothing is done", 0},
		{"nobody says anything", "", "--failed", 1, "Make them again? [y/N]", "nothing is done", 0},
		{"other rule", "", "--failed --rule other", 0, "No calls failed", "", 0},
		{"bad since", "", "--failed --since yesterday", 1, "", "--since: ", 0},
		{"by id", "", id(1), 0, "Asked for 1 call;", "", 1},
		{"yes", "y\n", "--failed --since 1h --endpoint shop", 0, "Asked for 1 call; what comes of it: posthorn deliveries tail\nAsked for before, and not begun: 1 call.", "", 2},
		{"forced", "", id(3) + " --force", 0, "Asked for 1 call;", "", 3},
		{"trigger is gone", "", id(4), 1, "keeps the trigger no more", "", 3},
	} {
		code, out, errOut := answering(t, tt.input, append([]string{"deliveries", "retry"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errOut, tt.problem) || f.requests() != tt.requests {
			t.Errorf("%s: code %d, %d requests, output %q, error %q", tt.name, code, f.requests(), out, errOut)
		}
	}
}

func TestTails(t *testing.T) {
	newField(t)
	for _, tt := range []struct {
		args, want string
		lines      int
	}{
		{"deliveries tail", "to shop for discount: attempt 1 failed (400) in 0 ms: 400 Bad Request", 4},
		{"deliveries tail --failed", "failed (400)", 3},
		{"deliveries tail --endpoint other", "", 0},
		{"deliveries tail --limit 1 --json", `"rule":"discount"`, 1},
		{"triggers tail", "discount fired for 07", 3},
		{"triggers tail --rule other", "", 0},
		{"tail posthorn.deliveries", `"written_at"`, 4},
	} {
		code, out, errOut := posthorn(t, append(strings.Fields(tt.args), "--from-start", "--timeout", "2s")...)
		if code != 0 || strings.Count(out, "\n") != tt.lines || !strings.Contains(out, tt.want) {
			t.Errorf("%s: code %d, error %q\n%s", tt.args, code, errOut, out)
		}
	}
}

func TestRulesArePausedAndResumed(t *testing.T) {
	f := newField(t)
	rules := file(t, "rules.yaml", "rules:\n- {name: discount, within: {event: opened, of: send, duration: 24h}, mode: shadow}\n- {name: other, within: {event: clicked, of: send, duration: 24h}}\n")
	run := func(args ...string) (int, string, string) { return posthorn(t, append(args, "--rules", rules)...) }
	if code, out, errOut := run("rules", "pause", "discount", "--reason", "codes ran out"); code != 0 || !strings.Contains(out, "rules resume discount") {
		t.Fatal(code, out, errOut)
	}
	if r := f.asked().Rules["discount"]; !r.Paused || r.Reason != "codes ran out" || r.By == "" || time.Since(r.At) > time.Minute {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"rules"}, {"rules", "list"}} {
		code, out, errOut := run(args...)
		if code != 0 || !strings.Contains(out, "codes ran out") || !strings.Contains(out, "shadow") || !strings.Contains(out, "│ no") {
			t.Errorf("code %d, error %q\n%s", code, errOut, out)
		}
	}
	if code, out, _ := run("rules", "resume", "discount", "--drop"); code != 0 || !strings.Contains(out, "given up") {
		t.Error(out)
	}
	if r := f.asked().Rules["discount"]; r.Paused || !r.Drop {
		t.Errorf("%+v", r)
	}
	if code, _, errOut := run("rules", "pause", "dicsount"); code != 1 || !strings.Contains(errOut, `no rule "dicsount"`) {
		t.Error(code, errOut)
	}
	// Where no rules are configured, nobody can tell a slip of the pen.
	if code, _, errOut := posthorn(t, "rules", "pause", "elsewhere"); code != 0 {
		t.Error(errOut)
	}
	if _, out, _ := run("rules"); !strings.Contains(out, "Rule elsewhere, which is not configured here, is paused") {
		t.Error(out)
	}
	t.Setenv("POSTHORN_KAFKA_BROKERS", "")
	if _, out, _ := run("rules"); !strings.Contains(out, "unknown") {
		t.Error(out)
	}
	if code, _, errOut := run("rules", "pause", "discount"); code != 1 || !strings.Contains(errOut, "kafka.brokers") {
		t.Error(code, errOut)
	}
}

func TestEndpointIsEnabled(t *testing.T) {
	f := newField(t)
	conf := file(t, "posthorn.yaml", `
endpoints:
- {name: shop, url: "https://u:topsecret@shop.example/hook?token=topsecret", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
- {name: mail, action: mailjet_send, mailjet: {public_key: p, private_key: topsecret, template_id: 7}}
`)
	w, err := controls.NewWriter(f.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, e := range []controls.Endpoint{
		{Name: "shop", Disabled: true, At: time.Now(), Reason: "gone", URL: "https://shop.example/hook"},
		{Name: "mail", Disabled: true, At: time.Now(), URL: "https://elsewhere.example"}, // has another URL now
	} {
		if err := w.Endpoint(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errOut := posthorn(t, "endpoints", "-c", conf)
	if code != 0 || strings.Count(out, "disabled since") != 1 || !strings.Contains(out, "gone") || !strings.Contains(out, "https://api.mailjet.com/v3.1/send") || strings.Contains(out, "topsecret") {
		t.Errorf("code %d, error %q\n%s", code, errOut, out)
	}
	if code, _, errOut := posthorn(t, "endpoints", "enable", "sohp", "-c", conf); code != 1 || !strings.Contains(errOut, `no endpoint "sohp"`) {
		t.Error(code, errOut)
	}
	if code, out, errOut := posthorn(t, "endpoints", "enable", "shop", "--reason", "moved", "-c", conf); code != 0 || !strings.Contains(out, "is enabled") {
		t.Error(code, out, errOut)
	}
	if e := f.asked().Endpoints["shop"]; e.Disabled || e.By == "" || e.Reason != "moved" {
		t.Errorf("%+v", e)
	}
	_, out, _ = posthorn(t, "deliveries", "tail", "--from-start", "--timeout", "2s")
	if !strings.Contains(out, "endpoint shop is enabled by ") {
		t.Error(out)
	}
	if code, out, _ := posthorn(t, "endpoints", "enable", "shop", "-c", conf); code != 0 || !strings.Contains(out, "is not disabled") {
		t.Error(out)
	}
}

// api answers as the HTTP API does, and notes what it is asked.
func api(t *testing.T) (flag string, asked func() string) {
	var last string
	at := time.Date(2026, 11, 23, 10, 0, 1, 0, time.UTC)
	next := at.Add(time.Minute)
	d := analytics.Delivery{
		TriggerID: uuid.MustParse("01000000-0000-0000-0000-000000000000"), Rule: "discount", Endpoint: "shop", Action: "callback", URL: "https://shop.example",
		Attempt: 2, Manual: true, AttemptedAt: at, DurationMS: 12, Status: "retrying", StatusCode: 503, Error: "503 Service Unavailable", NextAttemptAt: &next,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.URL.RequestURI()
		var v any = analytics.DeliveryList{Deliveries: []analytics.Delivery{d}, Next: "more"}
		switch {
		case r.URL.Query().Get("rule") == "none":
			v = analytics.DeliveryList{}
		case strings.HasPrefix(r.URL.Path, "/v1/deliveries/01"):
			v = analytics.DeliveryDetail{TriggerID: d.TriggerID, Rule: d.Rule, Endpoint: d.Endpoint, Status: d.Status, Attempts: []analytics.DeliveryAttempt{{
				Delivery: d, Request: analytics.DeliveryRequest{Method: "POST", Headers: map[string]string{"Webhook-Signature": "***"}, Body: `{"a":1}`},
				Response: analytics.DeliveryResponse{Headers: map[string]string{"Server": "x"}, Body: "one\n\x1b[31mtwo"},
			}}}
		case r.URL.Path != "/v1/deliveries":
			w.WriteHeader(http.StatusNotFound)
			v = analytics.Problem{Title: "Not found", Status: 404, Detail: "no call was made"}
		}
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return "--api=" + strings.TrimPrefix(s.URL, "http://"), func() string { return last }
}

func TestDeliveriesAreListed(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("POSTHORN_RECIPIENT_SECRET", "0123456789abcdef")
	flag, asked := api(t)
	code, out, errOut := posthorn(t, "deliveries", flag, "--failed", "--endpoint", "shop", "--recipient", "Anna@example.org", "--since", "2026-11-23", "--limit", "5")
	if code != 0 || !strings.Contains(out, "retrying (503)") || !strings.Contains(out, "2 (asked for)") || !strings.Contains(out, "there are more") {
		t.Errorf("code %d, error %q\n%s", code, errOut, out)
	}
	want := url.Values{
		"status": {"failed"}, "endpoint": {"shop"}, "recipient": {schemas.RecipientID([]byte("0123456789abcdef"), "anna@example.org").String()},
		"since": {"2026-11-23T00:00:00Z"}, "limit": {"5"},
	}
	if asked() != "/v1/deliveries?"+want.Encode() {
		t.Errorf("asked %s, want %s", asked(), want.Encode())
	}
	if _, out, _ := posthorn(t, "deliveries", flag, "--json"); !json.Valid([]byte(out)) {
		t.Errorf("%s", out)
	}
	if _, out, _ := posthorn(t, "deliveries", flag, "--rule", "none"); !strings.Contains(out, "No calls") {
		t.Errorf("%s", out)
	}
	for problem, args := range map[string][]string{
		"--since: ": {"--since", "soon"}, "neither an address nor an id": {"--recipient", "anna"}, "name one of them": {"--failed", "--status", "succeeded"},
	} {
		if code, _, errOut := posthorn(t, append([]string{"deliveries", flag}, args...)...); code != 1 || !strings.Contains(errOut, problem) {
			t.Errorf("code %d, %q, want %s", code, errOut, problem)
		}
	}
}

func TestDeliveryIsShown(t *testing.T) {
	t.Chdir(t.TempDir())
	flag, _ := api(t)
	code, out, errOut := posthorn(t, "deliveries", "show", flag, "01000000-0000-0000-0000-000000000000")
	want := `Trigger 01000000-0000-0000-0000-000000000000 of rule discount, to endpoint shop: retrying

Attempt 2 (asked for) at 2026-11-23T10:00:01Z, retrying (503) after 12 ms
  Error: 503 Service Unavailable
  Next attempt at 2026-11-23T10:01:01Z
  > POST https://shop.example (callback)
  > Webhook-Signature: ***
  >
  > {"a":1}
  < 503
  < Server: x
  <
  < one
  < ` + "\uFFFD" + `[31mtwo
`
	if code != 0 || out != want {
		t.Errorf("code %d, error %q\n%s", code, errOut, out)
	}
	if _, out, _ := posthorn(t, "deliveries", "show", flag, "--json", "01000000-0000-0000-0000-000000000000"); !json.Valid([]byte(out)) {
		t.Errorf("%s", out)
	}
	if code, _, errOut := posthorn(t, "deliveries", "show", flag, "99"); code != 1 || !strings.Contains(errOut, "no call was made") {
		t.Error(code, errOut)
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), "2026-11-01T10:00:00+02:00": time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC),
		"90m": now.Add(-90 * time.Minute), "7d": now.AddDate(0, 0, -7), "0.5d": now.Add(-12 * time.Hour), "0s": now,
	} {
		if got, err := parseMoment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"soon", "-1h", "-1d", "1w", "99999999d", "2026-13-01"} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// Endpoints of a configuration become what delivery calls.
func TestEndpointsOfAConfiguration(t *testing.T) {
	t.Setenv("POSTHORN_TEST_KEY", "topsecret")
	path := file(t, "posthorn.yaml", `
endpoints:
- {name: shop, url: "https://shop.example/hook", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, previous_secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx, headers: {X-Key: {env: POSTHORN_TEST_KEY}}, template: {a: "{{.rule}}"}, concurrency: 3, rate: 5}
- {name: mail, action: mailjet_send, mailjet: {public_key: p, private_key: {env: POSTHORN_TEST_KEY}, template_id: 7, from: {email: a@b.example, name: Shop}, variables: {a: "{{.rule}}"}}}
- {name: list, action: mailjet_list, mailjet: {public_key: p, private_key: s, list_id: 12, list_action: unsub, properties: {a: "{{.rule}}"}}}
`)
	cfg, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := endpoints(cfg)
	if err != nil || len(list) != 3 {
		t.Fatal(len(list), err)
	}
	for _, e := range list {
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
	}
	shop, mail, contacts := list[0], list[1].Mailjet, list[2].Mailjet
	if len(shop.Secrets) != 2 || shop.Headers["X-Key"] != "topsecret" || shop.Template == nil || shop.Concurrency != 3 || shop.Rate != 5 {
		t.Errorf("%+v", shop)
	}
	if mail.PrivateKey != "topsecret" || mail.TemplateID != 7 || mail.FromEmail != "a@b.example" || mail.FromName != "Shop" || mail.Variables == nil {
		t.Errorf("%+v", mail)
	}
	if contacts.ListID != 12 || contacts.ListAction != "unsub" || contacts.Properties == nil {
		t.Errorf("%+v", contacts)
	}
	// What only delivery knows is found by posthorn config too.
	bad := file(t, "bad.yaml", `endpoints: [{name: shop, url: "https://shop.example", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, headers: {Host: x}}]`)
	if code, _, errOut := posthorn(t, "config", "-c", bad); code != 1 || !strings.Contains(errOut, `endpoint "shop": headers.Host: is set by`) {
		t.Error(code, errOut)
	}
}
