package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/receiver"
)

const goldenPassword = "golden-password"

var goldenAgents = map[string]string{
	"@person":  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"@privacy": "Mozilla/5.0",
	"@gmail":   "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
	"@scanner": "Barracuda Sentinel (EE)",
}

// goldenBody is one webhook of the golden set.
type goldenBody struct {
	source string
	data   []byte
}

// readGolden expands testdata/golden.txt for a base time T.
func readGolden(t *testing.T, base time.Time) []goldenBody {
	t.Helper()
	f, err := os.Open("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var bodies []goldenBody
	var source string
	var raw bool
	var lines []string
	flush := func() {
		if len(lines) > 0 {
			bodies = append(bodies, goldenBody{source, goldenJSON(t, base, lines, raw)})
		}
		lines = nil
	}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		line := sc.Text()
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "> "):
			flush()
			source, _, raw = strings.Cut(strings.TrimPrefix(line, "> "), " ")
		default:
			lines = append(lines, line)
		}
	}
	flush()
	return bodies
}

func goldenJSON(t *testing.T, base time.Time, lines []string, raw bool) []byte {
	t.Helper()
	if raw {
		return []byte(strings.Join(lines, "\n"))
	}
	var events [][]byte
	for _, line := range lines {
		var event map[string]json.RawMessage
		if json.Unmarshal([]byte(line), &event) != nil {
			events = append(events, []byte(line)) // no object: as it stands
			continue
		}
		b, err := json.Marshal(goldenEvent(t, base, event))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, b)
	}
	if len(events) == 1 {
		return events[0]
	}
	return slices.Concat([]byte("["), bytes.Join(events, []byte(",")), []byte("]"))
}

func goldenEvent(t *testing.T, base time.Time, event map[string]json.RawMessage) map[string]any {
	t.Helper()
	text := func(key string) string {
		var s string
		_ = json.Unmarshal(event[key], &s) // not a string: ""
		return s
	}
	var msg int
	if err := json.Unmarshal(event["msg"], &msg); err != nil {
		t.Fatalf("msg %s: %v", event["msg"], err)
	}
	full := map[string]any{
		"MessageID": goldenMessageID(msg), "Message_GUID": fmt.Sprintf("6f2c1d4e-0000-4000-8000-%012d", msg),
		"email": fmt.Sprintf("r%02d@example.org", msg), "mj_campaign_id": 9001, "mj_contact_id": 500 + msg,
		"customcampaign": "", "CustomID": fmt.Sprintf("golden-%d", msg), "Payload": "",
	}
	for key, value := range event {
		full[key] = value
	}
	delete(full, "msg")
	for key := range full {
		if s := text(key); s == "@omit" {
			delete(full, key)
		}
	}
	if agent := text("agent"); agent != "" {
		full["agent"] = goldenAgents[agent]
		if full["agent"] == "" {
			t.Fatalf("agent %s", agent)
		}
		if _, ok := event["geo"]; !ok {
			full["geo"] = "FR"
		}
		if _, ok := event["ip"]; !ok {
			full["ip"] = "192.0.2.7"
		}
	}
	at, quoted := strings.CutPrefix(text("time"), "'")
	after, err := time.ParseDuration(strings.TrimPrefix(strings.TrimPrefix(at, "T"), "+"))
	if err != nil {
		t.Fatalf("time %s: %v", event["time"], err)
	}
	full["time"] = base.Add(after).Unix()
	if quoted {
		full["time"] = fmt.Sprint(full["time"])
	}
	return full
}

func goldenMessageID(msg int) int64 { return 576460752303425000 + int64(msg) }

// golden is testdata/golden.json: what must come of the set.
type golden struct {
	Campaigns map[string]map[string]int64
	Windows   []struct {
		Campaign, Basis, At string
		Counters            map[string]int64
	}
	Rates    map[string]map[string]float64
	Triggers map[string]map[string][]int
	Rejected int
}

// TestGoldenSet posts 40 hand-written messages to the all-in-one and reads
// the numbers from its API.
func TestGoldenSet(t *testing.T) {
	var want golden
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("golden"), 5))
	shop, err := receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer shop.Close()

	dir := t.TempDir()
	gateway, api := address(t), address(t)
	rules, err := filepath.Abs("testdata/golden-rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "posthorn.yaml")
	source := func(name string) string {
		return fmt.Sprintf("{name: %s, provider: mailjet, account: shop, username: golden, password: %s}", name, goldenPassword)
	}
	yaml := fmt.Sprintf("data: %s\ngateway: {listen: %s}\napi: {listen: %s}\nmetrics: {listen: %s}\nclickhouse: {listen: %s, sql_listen: %s}\nkafka: {listen: %s}\nregistry: {listen: %s}\nsources: [%s, %s]\nrules: [%s]\nendpoints: [{name: golden, url: %q, secret: %s, allow_private: true}]\n",
		filepath.Join(dir, "data"), gateway, api, address(t), address(t), address(t), address(t), address(t), source("mailjet"), source("mailjet-backup"), rules, shop.URL(), secret)
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "up", "up", "--config", config)
	eventually(t, 3*time.Minute, "starting", func() error { return httpOK("http://" + gateway + "/readyz") })

	base := time.Now().Add(-30 * time.Hour).Truncate(5 * time.Minute).UTC()
	for _, body := range readGolden(t, base) {
		post(t, "http://"+gateway, body)
	}
	out, err := run(t, time.Minute, "status", "--config", config, "--tasks")
	if err != nil || !strings.Contains(out, "generation 1 is live") || !strings.Contains(out, "engagement") {
		t.Errorf("posthorn status: %v\n%s", err, out)
	}
	out, err = run(t, 2*time.Minute, "verify", "--config", config)
	if err != nil {
		t.Fatalf("verify: %v\n%s", err, out)
	}

	checkGoldenCampaigns(t, "http://"+api, base, want)
	checkGoldenStatistics(t, "http://"+api)
	checkGoldenRecipient(t, "http://"+api)
	checkGoldenTriggers(t, config, want)
	fired := 0
	for rule, by := range want.Triggers {
		if rule == "discount-24h" {
			fired = len(by["fired"])
		}
	}
	eventually(t, 30*time.Second, "callbacks", func() error {
		if s := shop.Stats(); int(s.Unique) != fired || s.BadSignatures != 0 {
			return fmt.Errorf("%d callbacks (%d bad signatures), want %d", s.Unique, s.BadSignatures, fired)
		}
		return nil
	})
	checkReplay(t, config, want.Rejected)
}

func post(t *testing.T, gateway string, body goldenBody) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway+"/v1/webhooks/"+body.source, bytes.NewReader(body.data))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("golden", goldenPassword)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("posting %s: %s", body.data, resp.Status)
	}
}

// goldenDetail is what the API says of a campaign, as far as it is checked.
type goldenDetail struct {
	Totals map[string]int64 `json:"totals"`
	Rates  []struct {
		Name  string   `json:"name"`
		Value *float64 `json:"value"`
	} `json:"rates"`
	Series struct {
		Points []struct {
			Start    time.Time        `json:"start"`
			Counters map[string]int64 `json:"counters"`
		} `json:"points"`
	} `json:"series"`
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

func checkGoldenCampaigns(t *testing.T, api string, base time.Time, want golden) {
	t.Helper()
	for id, counters := range want.Campaigns {
		var d goldenDetail
		getJSON(t, api+"/v1/campaigns/"+url.PathEscape(id), &d)
		for name, n := range counters {
			if got, ok := d.Totals[name]; !ok || got != n {
				t.Errorf("campaign %s: %s is %d, want %d", id, name, got, n)
			}
		}
		rates := map[string]*float64{}
		for _, r := range d.Rates {
			rates[r.Name] = r.Value
		}
		for name, value := range want.Rates[id] {
			if got := rates[name]; got == nil || math.Abs(*got-value) > 1e-6 {
				t.Errorf("campaign %s: rate %s is %v, want %g", id, name, got, value)
			}
		}
	}
	for _, w := range want.Windows {
		after, err := time.ParseDuration(w.At)
		if err != nil {
			t.Fatal(err)
		}
		var d goldenDetail
		getJSON(t, api+"/v1/campaigns/"+w.Campaign+"?step=5m&basis="+w.Basis, &d)
		found := false
		for _, p := range d.Series.Points {
			if !p.Start.Equal(base.Add(after)) {
				continue
			}
			found = true
			for name, n := range w.Counters {
				if p.Counters[name] != n {
					t.Errorf("campaign %s, %s window T+%s: %s is %d, want %d", w.Campaign, w.Basis, w.At, name, p.Counters[name], n)
				}
			}
		}
		if !found {
			t.Errorf("campaign %s has no %s window at T+%s", w.Campaign, w.Basis, w.At)
		}
	}
}

// checkGoldenTriggers waits for them: what is fired by a click settles first.
func checkGoldenTriggers(t *testing.T, config string, want golden) {
	t.Helper()
	eventually(t, 30*time.Second, "triggers", func() error {
		if g, w := fmt.Sprint(goldenTriggers(t, config)), fmt.Sprint(want.Triggers); g != w {
			return fmt.Errorf("got  %s\nwant %s", g, w)
		}
		return nil
	})
}

// goldenTriggers are the messages that have fired, by rule and status.
func goldenTriggers(t *testing.T, config string) map[string]map[string][]int {
	t.Helper()
	got := map[string]map[string][]int{}
	for _, rec := range tailTopic(t, config, "posthorn.triggers") {
		var tr struct {
			Rule      string      `json:"rule"`
			Status    string      `json:"status"`
			MessageID json.Number `json:"message_id"`
		}
		if err := json.Unmarshal(rec, &tr); err != nil {
			t.Fatalf("%s: %v", rec, err)
		}
		id, err := tr.MessageID.Int64()
		if err != nil {
			t.Fatalf("message id of %s: %v", rec, err)
		}
		if got[tr.Rule] == nil {
			got[tr.Rule] = map[string][]int{}
		}
		got[tr.Rule][tr.Status] = append(got[tr.Rule][tr.Status], int(id-goldenMessageID(0)))
	}
	for _, by := range got {
		for _, ids := range by {
			slices.Sort(ids)
		}
	}
	return got
}

// tailTopic returns the values that a topic holds, as JSON.
func tailTopic(t *testing.T, config, topic string) [][]byte {
	t.Helper()
	out, err := run(t, time.Minute, "tail", topic, "--config", config, "--from-start", "--timeout", "3s")
	if err != nil {
		t.Fatalf("tail %s: %v\n%s", topic, err, out)
	}
	var recs [][]byte
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "{") {
			var rec struct{ Value json.RawMessage }
			if err := json.Unmarshal([]byte(line), &rec); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			recs = append(recs, rec.Value)
		}
	}
	return recs
}

// checkReplay sends what was rejected through the decoder again: still
// unreadable, it is rejected again, and nothing else changes.
func checkReplay(t *testing.T, config string, rejected int) {
	t.Helper()
	if n := len(tailTopic(t, config, "posthorn.rejected")); n != rejected {
		t.Errorf("%d rejections, want %d", n, rejected)
	}
	if out, err := run(t, time.Minute, "replay", "--rejected", "--config", config); err != nil {
		t.Fatalf("replay: %v\n%s", err, out)
	}
	if out, err := run(t, time.Minute, "verify", "--config", config); err != nil {
		t.Fatalf("verify after the replay: %v\n%s", err, out)
	}
	if n := len(tailTopic(t, config, "posthorn.rejected")); n != 2*rejected {
		t.Errorf("%d rejections after the replay, want %d", n, 2*rejected)
	}
}
