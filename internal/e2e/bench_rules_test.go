package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// TestBenchRules measures the stage that judges rules with one rule that fires,
// and with a thousand more that don't: of all kinds, for campaigns that there are
// not, but a tenth of them with conditions that must be evaluated to be known.
func TestBenchRules(t *testing.T) {
	events := benchEvents(t, 300_000)
	one, thousand := benchWithRules(t, events, 0), benchWithRules(t, events, 1000)
	fmt.Printf("RESULT rules_1000_events_per_s %.0f events/s\n", thousand)
	fmt.Printf("RESULT rules_1000_vs_1 %.2f x\n", thousand/one)
}

// benchWithRules returns the events per second of the stage with one rule that
// fires and idle more.
func benchWithRules(t *testing.T, events, idle int) float64 {
	t.Helper()
	rules, err := trigger.Parse("bench.yaml", []byte(rulesOf(idle)))
	if err != nil {
		t.Fatal(err)
	}
	cfg := kafka.Config{Brokers: benchBroker(t)}
	adm, stop, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(12, 1)); err != nil {
		t.Fatal(err)
	}
	serde := schemas.NewLocalSerde()
	n := float64(fillWebhooks(t, cfg, serde, events))
	runToEnd(t, cfg, adm, normalize.Stage(normalize.Config{Serde: serde, Secret: normalize.OneSecret([]byte(benchSecret))}))
	run := runToEnd(t, cfg, adm, engagement.Stage(engagement.Config{Serde: serde, Rules: trigger.NewLive(rules)}))
	fmt.Printf("%4d rules %8.0f events/s  %5.1f us CPU/event  %d triggers\n", idle+1, n/run.took.Seconds(), run.cpu*1e6/n, written(t, adm, schemas.TopicTriggers))
	return n / run.took.Seconds()
}

// written is how many offsets a topic has.
func written(t *testing.T, adm *kadm.Client, topic string) (n int64) {
	t.Helper()
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

func rulesOf(idle int) string {
	var b strings.Builder
	b.WriteString("rules:\n  - {name: fires, within: {event: opened, of: send, duration: 24h}, once_per: recipient, max_age: 365d}\n")
	for i := range idle {
		kind := []string{
			"immediate: {event: clicked}",
			"within: {event: opened, of: send, duration: 24h}",
			"absence: {event: opened, of: send, duration: 48h}",
			"sequence: {events: [send, opened, clicked], duration: 72h}",
			"count: {event: opened, times: 3, duration: 1h, per: recipient}",
		}[i/10%5]
		when := fmt.Sprintf(`message.campaign_id == "none-%d" && event.country != "US"`, i)
		if i%10 == 0 {
			when = fmt.Sprintf(`event.url.contains("/none-%d")`, i)
		}
		fmt.Fprintf(&b, "  - {name: idle-%d, %s, when: '%s'}\n", i, kind, when)
	}
	return b.String()
}
