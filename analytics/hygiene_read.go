package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// recipientsKnown is what is kept of all recipients of the tenant: how many there
// are of each kind, a few thousand kinds for millions of recipients, from which
// every question of hygiene is answered; and the domains that take nothing.
type recipientsKnown struct {
	kinds []recipientKind
	dead  []DeadDomain // those of most recipients first
}

// recipientKind is what some recipients have in common.
type recipientKind struct {
	delivered                            int64 // messages; at most maxHygieneMessages, which stands for more
	day                                  int64 // of the last open or click by anyone, since 1970; 0: none
	engaged, hard, complained, unwilling bool
	recipients                           int64
}

// count counts the recipients of each condition. before is the day before which
// the last sign of the inactive was.
func (known *recipientsKnown) count(h *Hygiene, before int64) Counts {
	n := Counts{}
	for _, c := range h.Conditions {
		n[c.Name] = 0
	}
	add := func(name string, holds bool, recipients int64) {
		if holds {
			n[name] += recipients
		}
	}
	for _, k := range known.kinds {
		enough := k.delivered >= int64(h.MinMessages)
		add("recipients", true, k.recipients)
		add("delivered", k.delivered > 0, k.recipients)
		add("undelivered", k.delivered <= 0, k.recipients)
		add("enough", enough, k.recipients)
		add("never_engaged", enough && !k.engaged, k.recipients)
		add("inactive", enough && k.engaged && k.day < before, k.recipients)
		add("active", k.engaged && k.day >= before, k.recipients)
		add("hard_bounced", k.hard, k.recipients)
		add("complained", k.complained, k.recipients)
		add("unsubscribed", k.unwilling, k.recipients)
	}
	return n
}

// maxKinds bounds what is kept: of domains that take nothing those with fewest
// recipients go beyond it.
const maxKinds = 1_000_000

// readRecipients is the work of recipients. They are aggregated in the order in
// which they are stored, so that the memory does not grow with their number, on
// one core, and once for both questions.
func (a *API) readRecipients(ctx context.Context) (known recipientsKnown, err error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
	query := fmt.Sprintf(`SELECT grouping(domain) = 0, domain, least(sent, %d) AS taken, day, engaged, hard, complained, unwilling,
count(), sum(all), sum(hards), sum(softs), sum(refused), max(last)
FROM (
SELECT max(recipient_domain) AS domain, sum(delivered) AS sent, intDiv(toUnixTimestamp(greatest(max(last_opened_at), max(last_clicked_at))), %d) AS day,
sum(human_opened) > 0 OR sum(human_clicked) > 0 AS engaged, sum(hard_bounced) > 0 AS hard, sum(complained) > 0 AS complained, sum(unsubscribed) > 0 AS unwilling,
sum(messages) AS all, sum(hard_bounced) AS hards, sum(soft_bounced) AS softs, sum(rejected) AS refused, sum(opened) + sum(clicked) AS signs, max(last_sent_at) AS last
FROM recipients WHERE tenant = ? GROUP BY tenant, recipient_id HAVING all > 0
)
GROUP BY GROUPING SETS ((taken, day, engaged, hard, complained, unwilling), (domain))
HAVING grouping(domain) = 1 OR domain != '' AND sum(sent) = 0 AND sum(signs) = 0 AND sum(hards) + sum(softs) > 0
ORDER BY 1, count() DESC, domain LIMIT %d
SETTINGS optimize_aggregation_in_order = 1`, maxHygieneMessages, secondsOfDay, maxKinds)
	err = a.each(ctx, "recipients", query, []any{a.cfg.Tenant}, func(rows driver.Rows) error {
		var ofDomain, engaged, hard, complained, unwilling uint8
		var k recipientKind
		var d DeadDomain
		var day uint32
		var n uint64
		var last time.Time
		if err := rows.Scan(&ofDomain, &d.Domain, &k.delivered, &day, &engaged, &hard, &complained, &unwilling,
			&n, &d.Messages, &d.HardBounced, &d.SoftBounced, &d.Rejected, &last); err != nil {
			return err
		}
		if ofDomain == 1 {
			d.Recipients = int64(n)
			if last.Unix() > 0 {
				d.LastSentAt = &last
			}
			known.dead = append(known.dead, d)
			return nil
		}
		k.day, k.engaged, k.hard, k.complained, k.unwilling, k.recipients = int64(day), engaged == 1, hard == 1, complained == 1, unwilling == 1, int64(n)
		known.kinds = append(known.kinds, k)
		return nil
	})
	return known, err
}
