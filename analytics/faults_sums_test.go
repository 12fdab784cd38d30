package analytics

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// breakdownTallies sum up the changes of the breakdowns' topic, cell by cell and
// recipient by recipient.
func breakdownTallies() []*tally {
	return []*tally{cellTally(), recipientTally()}
}

func tallySums(columns []string) (texts, nonzero string) {
	var shown, any []string
	for _, c := range columns {
		shown = append(shown, "toString(sum("+c+"))")
		any = append(any, "sum("+c+") != 0")
	}
	return strings.Join(shown, ", "), strings.Join(any, " OR ")
}

func cellTally() *tally {
	texts, nonzero := tallySums(tallyColumns())
	sums := map[string]*schemas.Counters{}
	return &tally{
		table: "breakdowns", topic: schemas.TopicBreakdownDeltas, rows: map[string]string{},
		// What has come to nothing may have been dropped.
		query: fmt.Sprintf(`SELECT concatWithSeparator('/', tenant, dimension, campaign_id, value, detail, basis, toString(toUnixTimestamp(window_start))) AS cell,
			concatWithSeparator('|', %s) FROM breakdowns GROUP BY cell HAVING %s`, texts, nonzero),
		take: func(_ *tally, rec *kgo.Record) error {
			var d schemas.BreakdownDelta
			if err := serde.Decode(rec.Value, &d); err != nil {
				return err
			}
			for i := range d.Cells {
				c := &d.Cells[i]
				key := fmt.Sprintf("%s/%s/%s/%s/%s/%s/%d", d.Tenant, c.Dimension, d.CampaignID, c.Value, c.Detail, c.Basis, c.WindowStart/1e6)
				if sums[key] == nil {
					sums[key] = &schemas.Counters{}
				}
				sums[key].Add(&c.Counters)
			}
			return nil
		},
		finish: func(t *tally) {
			for key, sum := range sums {
				if *sum != (schemas.Counters{}) {
					t.rows[key] = tallyText(tallyValues(sum))
				}
			}
		},
	}
}

// tallyRecipientColumns are those that the table of recipients has.
var tallyRecipientColumns = []string{
	"messages", "delivered", "rejected", "hard_bounced", "soft_bounced", "opened", "human_opened", "opens", "human_opens",
	"clicked", "human_clicked", "clicks", "human_clicks", "unsubscribed", "complained",
}

// recipientTallySum is a recipient: times are Unix seconds.
type recipientTallySum struct {
	counters                           schemas.Counters
	first, last, sent, opened, clicked int64
}

func recipientTally() *tally {
	texts, _ := tallySums(tallyRecipientColumns)
	sums := map[string]*recipientTallySum{}
	later := func(at *int64, t schemas.Timestamp) { *at = max(*at, int64(t/1e6)) }
	return &tally{
		table: "recipients", topic: schemas.TopicBreakdownDeltas, rows: map[string]string{},
		query: fmt.Sprintf(`SELECT concat(tenant, '/', toString(recipient_id)) AS recipient, concatWithSeparator('|', %s, max(recipient_domain),
			toString(toUnixTimestamp(min(first_event_at))), toString(toUnixTimestamp(max(last_event_at))), toString(toUnixTimestamp(max(last_sent_at))),
			toString(toUnixTimestamp(max(last_opened_at))), toString(toUnixTimestamp(max(last_clicked_at)))) FROM recipients GROUP BY recipient`, texts),
		take: func(_ *tally, rec *kgo.Record) error {
			var d schemas.BreakdownDelta
			if err := serde.Decode(rec.Value, &d); err != nil {
				return err
			}
			for i := range d.Recipients {
				r := &d.Recipients[i]
				key := d.Tenant + "/" + r.RecipientID.String()
				sum := sums[key]
				if sum == nil {
					sum = &recipientTallySum{first: int64(r.FirstEventAt / 1e6)}
					sums[key] = sum
				}
				sum.counters.Add(&r.Counters)
				sum.first = min(sum.first, int64(r.FirstEventAt/1e6))
				later(&sum.last, r.LastEventAt)
				later(&sum.sent, r.LastSentAt)
				later(&sum.opened, r.LastOpenedAt)
				later(&sum.clicked, r.LastClickedAt)
			}
			return nil
		},
		finish: func(t *tally) {
			for key, sum := range sums {
				t.rows[key] = tallyText(append(tallyRecipientValues(&sum.counters), "example.org", sum.first, sum.last, sum.sent, sum.opened, sum.clicked))
			}
		},
	}
}

func tallyRecipientValues(c *schemas.Counters) (values []any) {
	all := tallyValues(c)
	byName := map[string]any{}
	for i, name := range tallyColumns() {
		byName[name] = all[i]
	}
	for _, name := range tallyRecipientColumns {
		values = append(values, byName[name])
	}
	return values
}
