package trigger_test

import (
	"fmt"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// A message that nobody has opened: it is decided two days and ten minutes after
// it was sent.
func Example() {
	set, err := trigger.Parse("rules.yaml", []byte(`
rules:
  - name: remind
    absence: {event: opened, of: send, duration: 48h, wait: 10m}
    when: message.campaign_id == "spring"
    call: shop
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := schemas.FromTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	message := &trigger.Message{Tenant: "default", Account: "main", MessageID: "m1", CampaignID: "spring"}
	events := []trigger.Event{{ID: schemas.ID{1}, Type: schemas.EventTypeSent, OccurredAt: sent, ArrivedAt: sent}}

	for _, rule := range set.ForMessage(nil, message, trigger.TypesOf(schemas.EventTypeSent), events) {
		_, next := rule.Judge(message, events, sent)
		fmt.Println(rule.Name, "is to be judged again at", next)
		firings, _ := rule.Judge(message, events, next)
		key, _ := rule.OnceKey(message)
		for _, f := range firings {
			record := f.Record(message, key)
			fmt.Println(record.Rule, record.Status, record.Occurrence, "by", record.Evidence[0].Type)
		}
	}
	// Output:
	// remind is to be judged again at 2026-03-04T09:10:00.000000Z
	// remind fired once by sent
}

// Mistakes are found all at once.
func ExampleParse() {
	_, err := trigger.Parse("rules.yaml", []byte(`
rules:
  - name: bounces
    rate: {event: bounced, of: [delivered, bounced], above: 5, duration: 10m, every: 3m}
    onceper: message
`))
	fmt.Println(err)
	// Output:
	// rules.yaml:4: rule "bounces": rate.above: "5" is no share from 0% to 100% in steps of 0.0001%; write it as 5% or 0.05
	// rules.yaml:5: rule "bounces": onceper: no such field; did you mean once_per? the fields are name, immediate, within, absence, count, sequence, rate, when, once_per, cooldown, active, sample, human_only, max_age, settle, mode, limit, call
}
