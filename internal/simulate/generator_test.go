package simulate

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testConfig(recipients int) Config {
	cfg := DefaultConfig(testNow)
	cfg.Recipients = recipients
	return cfg
}

func generate(t testing.TB, cfg Config, f func(Body)) *Truth {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var buf []byte
	for {
		b, ok := g.Next(buf[:0])
		if !ok {
			return g.Truth()
		}
		buf = b.Data
		f(b)
	}
}

func TestSameSeedSameBodies(t *testing.T) {
	digest := func(change func(*Config)) string {
		cfg := testConfig(3000)
		change(&cfg)
		h := sha256.New()
		generate(t, cfg, func(b Body) { fmt.Fprintf(h, "%d %d %s\n", b.Kind, b.Events, b.Data) })
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	same := digest(func(*Config) {})
	if again := digest(func(*Config) {}); again != same {
		t.Error("the same seed gave other bodies")
	}
	if digest(func(c *Config) { c.Seed++ }) == same {
		t.Error("another seed gave the same bodies")
	}
	if digest(func(c *Config) { c.Now = c.Now.Add(time.Second) }) == same {
		t.Error("another time gave the same bodies")
	}
}

// recounted is one message as counted from the bodies alone.
type recounted struct {
	campaign                   string
	sent, firstAny             int64
	deferred, blocked          bool
	hard, soft                 bool
	opens, humanOpens          int64
	clicks, humanClicks        int64
	unsubs, spams              int64
	anyWithin24, humanWithin24 bool
	openTimes                  []int64
	openHuman                  []bool
}

type webhookEvent struct {
	Event     string `json:"event"`
	Time      int64  `json:"time"`
	MessageID int64
	GUID      string          `json:"Message_GUID"`
	Email     string          `json:"email"`
	Campaign  json.RawMessage `json:"mj_campaign_id"`
	Custom    string          `json:"customcampaign"`
	Hard      bool            `json:"hard_bounce"`
	Error     string          `json:"error"`
	URL       string          `json:"url"`
	IP        string          `json:"ip"`
	Agent     string          `json:"agent"`
}

func machineAgent(a string) bool {
	for _, w := range []string{"Barracuda", "python-requests", "HeadlessChrome", "Go-http-client"} {
		if strings.Contains(a, w) {
			return true
		}
	}
	return a == "Mozilla/5.0"
}

// TestTruthAgainstNaiveRecount decodes every body with encoding/json, counts
// in maps, and compares with the truth kept while generating.
func TestTruthAgainstNaiveRecount(t *testing.T) {
	cfg := testConfig(8000)
	cfg.Malformed = 0.02
	var got Truth
	seen := map[string]bool{}
	messages := map[int64]*recounted{}
	names := map[string]string{}
	var early int
	truth := generate(t, cfg, func(b Body) {
		got.Bodies++
		var events []webhookEvent
		var err error
		if bytes.HasPrefix(b.Data, []byte("[")) {
			err = json.Unmarshal(b.Data, &events)
		} else {
			events = make([]webhookEvent, 1)
			err = json.Unmarshal(b.Data, &events[0])
		}
		if (err != nil) != (b.Kind == Malformed) {
			t.Fatalf("body of kind %d: %v\n%.300s", b.Kind, err, b.Data)
		}
		if err != nil {
			got.MalformedBodies++
			return
		}
		if len(events) != b.Events {
			t.Fatalf("%d events in a body of %d", len(events), b.Events)
		}
		if b.Kind == BackupURL {
			got.BackupBodies++
		}
		if b.Kind != Original {
			got.RepeatedBodies++
		}
		for _, e := range events {
			got.Events++
			if e.Event == "open" {
				got.NaiveCallbacks++
			}
			key := fmt.Sprint(e.Event, e.Time, e.MessageID, e.Email, e.URL, e.IP, e.Agent)
			if seen[key] {
				got.DuplicateEvents++
				if b.Kind == Original {
					t.Fatalf("an original event twice: %s", key)
				}
				continue
			}
			seen[key] = true
			got.UniqueEvents++
			if at := time.Unix(e.Time, 0); at.After(testNow) || at.Before(testNow.Add(-47*time.Hour)) {
				t.Fatalf("event at %s", at)
			}
			if e.MessageID < 1<<53 || len(e.GUID) != 36 {
				t.Fatalf("ids %d %q", e.MessageID, e.GUID)
			}
			m := messages[e.MessageID]
			if m == nil {
				m = &recounted{}
				messages[e.MessageID] = m
			}
			if c := strings.Trim(string(e.Campaign), `"`); c != "0" {
				m.campaign = c
				names[c] = e.Custom
			}
			human := !machineAgent(e.Agent)
			switch e.Event {
			case "sent":
				m.sent = e.Time
				if m.opens > 0 {
					early++
				}
			case "bounce":
				switch {
				case e.Hard:
					m.hard = true
				case e.Error == "greylisted":
					m.deferred = true
				default:
					m.soft = true
				}
			case "blocked":
				m.blocked = true
			case "open":
				m.opens++
				m.openTimes, m.openHuman = append(m.openTimes, e.Time), append(m.openHuman, human)
				if human {
					m.humanOpens++
				}
				if m.firstAny == 0 || e.Time < m.firstAny {
					m.firstAny = e.Time
				}
			case "click":
				m.clicks++
				if human {
					m.humanClicks++
				}
			case "unsub":
				m.unsubs++
			case "spam":
				m.spams++
			default:
				t.Fatalf("event %q", e.Event)
			}
		}
	})
	campaigns := map[string]*CampaignTruth{}
	for _, c := range truth.Campaigns {
		campaigns[c.ID] = &CampaignTruth{ID: c.ID, Name: names[c.ID]}
	}
	one := func(b bool) int64 {
		if b {
			return 1
		}
		return 0
	}
	for id, m := range messages {
		c := campaigns[m.campaign]
		if c == nil {
			t.Fatalf("message %d: campaign %q", id, m.campaign)
		}
		for i, at := range m.openTimes {
			if m.sent == 0 || at-m.sent > 24*3600 {
				continue
			}
			m.anyWithin24 = true
			m.humanWithin24 = m.humanWithin24 || m.openHuman[i]
		}
		c.Messages++
		c.Accepted += one(m.sent > 0)
		c.Delivered += one(m.sent > 0 && !m.hard && !m.soft)
		c.Deferred += one(m.deferred && m.sent == 0)
		c.Rejected += one(m.blocked)
		c.HardBounced += one(m.hard)
		c.SoftBounced += one(m.soft)
		c.LateBounces += one(m.sent > 0 && (m.hard || m.soft))
		c.Opened += one(m.opens > 0)
		c.HumanOpened += one(m.humanOpens > 0)
		c.Opens += m.opens
		c.HumanOpens += m.humanOpens
		c.Clicked += one(m.clicks > 0)
		c.HumanClicked += one(m.humanClicks > 0)
		c.Clicks += m.clicks
		c.HumanClicks += m.humanClicks
		c.Unsubscribed += one(m.unsubs > 0)
		c.Complained += one(m.spams > 0)
		if m.opens > 0 {
			c.OpenDelaySeconds += m.firstAny - m.sent
		}
		c.OpenedWithin24h += one(m.anyWithin24)
		c.HumanOpenedWithin24h += one(m.humanWithin24)
		c.MachineOnlyWithin24h += one(m.anyWithin24 && !m.humanWithin24)
	}
	for _, c := range truth.Campaigns {
		if *campaigns[c.ID] != c {
			t.Errorf("campaign %s\n got %+v\nwant %+v", c.ID, *campaigns[c.ID], c)
		}
	}
	got.Campaigns = truth.Campaigns
	if fmt.Sprint(got) != fmt.Sprint(*truth) {
		t.Errorf("\n got %+v\nwant %+v", got, *truth)
	}
	if early == 0 || truth.MalformedBodies < 3 || truth.BackupBodies == 0 || truth.DuplicateEvents == 0 {
		t.Errorf("nothing odd happened: %d early opens, %+v", early, *truth)
	}
	realistic(t, truth)
}

// realistic checks that the mix is what campaigns look like.
func realistic(t *testing.T, truth *Truth) {
	t.Helper()
	s := truth.Total()
	for _, c := range []struct {
		name      string
		part, all int64
		low, high float64
	}{
		{"accepted of messages", s.Accepted, s.Messages, 0.955, 0.975},
		{"hard bounces of messages", s.HardBounced, s.Messages, 0.01, 0.02},
		{"opened by humans of accepted", s.HumanOpened, s.Accepted, 0.28, 0.40},
		{"opens by machines of opens", s.Opens - s.HumanOpens, s.Opens, 0.14, 0.22},
		{"human openers within 24 hours", s.HumanOpenedWithin24h, s.HumanOpened, 0.85, 0.97},
		{"clicked by humans of opened", s.HumanClicked, s.HumanOpened, 0.10, 0.18},
		{"duplicates of events", truth.DuplicateEvents, truth.Events, 0.003, 0.04},
	} {
		if share := float64(c.part) / float64(c.all); share < c.low || share > c.high {
			t.Errorf("%s: %.4f, want %.3f to %.3f", c.name, share, c.low, c.high)
		}
	}
}

func TestEventsPerRecipient(t *testing.T) {
	cfg := DefaultConfig(testNow)
	cfg.Recipients = RecipientsFor(60_000, cfg.Campaigns)
	truth := generate(t, cfg, func(Body) {})
	if truth.UniqueEvents < 57_000 || truth.UniqueEvents > 63_000 {
		t.Errorf("%d events, want about 60000", truth.UniqueEvents)
	}
}

func TestFixedBatch(t *testing.T) {
	for _, n := range []int{1, 100} {
		cfg := Config{Seed: 3, Campaigns: 1, Recipients: 1000, Now: testNow, Batch: n}
		short := 0
		truth := generate(t, cfg, func(b Body) {
			if b.Events != n {
				short++
			}
			if array := b.Data[0] == '['; array != (n > 1) {
				t.Fatalf("batch %d: %.40s", n, b.Data)
			}
		})
		if short > 1 || truth.Events != truth.UniqueEvents {
			t.Errorf("batch %d: %d short bodies, %+v", n, short, truth)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"campaigns":  func(c *Config) { c.Campaigns = 0 },
		"recipients": func(c *Config) { c.Recipients = -1 },
		"now":        func(c *Config) { c.Now = time.Time{} },
		"batch":      func(c *Config) { c.Batch = -1 },
		"duplicates": func(c *Config) { c.Duplicates = 2 },
	} {
		cfg := testConfig(10)
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	cfg := DefaultConfig(testNow)
	cfg.Recipients = 50_000
	events, size := int64(0), int64(0)
	for b.Loop() {
		generate(b, cfg, func(body Body) { events += int64(body.Events); size += int64(len(body.Data)) })
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(size)/float64(events), "B/event")
}
