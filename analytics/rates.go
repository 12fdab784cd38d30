package analytics

import "github.com/posthorn/posthorn/schemas"

// counterColumns are the columns of campaign_statistics in the order of fields.
const counterColumns = `messages queued deferred delivered rejected failed hard_bounced soft_bounced
opened human_opened opens human_opens clicked human_clicked clicks human_clicks
unsubscribed unsubscribes complained complaints late_bounces
open_delay_ms open_delays click_delay_ms click_delays`

// counterFields returns pointers to all counters in the order of counterColumns.
func counterFields(c *schemas.Counters) []any {
	return []any{
		&c.Messages, &c.Queued, &c.Deferred, &c.Delivered, &c.Rejected, &c.Failed, &c.HardBounced, &c.SoftBounced,
		&c.Opened, &c.HumanOpened, &c.Opens, &c.HumanOpens, &c.Clicked, &c.HumanClicked, &c.Clicks, &c.HumanClicks,
		&c.Unsubscribed, &c.Unsubscribes, &c.Complained, &c.Complaints, &c.LateBounces,
		&c.OpenDelayMS, &c.OpenDelays, &c.ClickDelayMS, &c.ClickDelays,
	}
}

// counterValues returns all counters in the order of counterColumns.
func counterValues(c *schemas.Counters) []int64 {
	fields := counterFields(c)
	values := make([]int64, len(fields))
	for i, f := range fields {
		values[i] = *f.(*int64)
	}
	return values
}

// Rate is a quotient with all that is needed to check it.
type Rate struct {
	Name string `json:"name"`
	// Value is Numerator / Denominator, null where the denominator is 0.
	Value       *float64 `json:"value"`
	Formula     string   `json:"formula"`
	Numerator   int64    `json:"numerator"`
	Denominator int64    `json:"denominator"`
	// Unit is "ratio" (1 is all), "per message" or "seconds".
	Unit string `json:"unit"`
	// Mailjet names the same figure there; empty where it has none.
	Mailjet string `json:"mailjet,omitempty"`
}

// Units of rates.
const (
	UnitRatio      = "ratio"
	UnitPerMessage = "per message"
	UnitSeconds    = "seconds"
)

// Rates returns the rates of c as Mailjet defines them, and beside those that
// machines distort the ones without machines.
func Rates(c schemas.Counters) []Rate {
	rate := func(name, formula string, num, den int64, unit, mailjet string) Rate {
		r := Rate{Name: name, Formula: formula, Numerator: num, Denominator: den, Unit: unit, Mailjet: mailjet}
		if den != 0 {
			v := float64(num) / float64(den)
			if unit == UnitSeconds {
				v /= 1000
			}
			r.Value = &v
		}
		return r
	}
	return []Rate{
		rate("delivered", "delivered / messages", c.Delivered, c.Messages, UnitRatio, "MessageSentCount / Total"),
		rate("blocked", "rejected / messages", c.Rejected, c.Messages, UnitRatio, "MessageBlockedCount / Total"),
		rate("hard_bounced", "hard_bounced / messages", c.HardBounced, c.Messages, UnitRatio, "MessageHardBouncedCount / Total"),
		rate("soft_bounced", "soft_bounced / messages", c.SoftBounced, c.Messages, UnitRatio, "MessageSoftBouncedCount / Total"),
		rate("deferred", "deferred / messages", c.Deferred, c.Messages, UnitRatio, "MessageDeferredCount / Total"),
		rate("opened", "opened / delivered", c.Opened, c.Delivered, UnitRatio, "MessageOpenedCount / MessageSentCount"),
		rate("human_opened", "human_opened / delivered", c.HumanOpened, c.Delivered, UnitRatio, ""),
		rate("clicked", "clicked / opened", c.Clicked, c.Opened, UnitRatio, "MessageClickedCount / MessageOpenedCount"),
		rate("human_clicked", "human_clicked / human_opened", c.HumanClicked, c.HumanOpened, UnitRatio, ""),
		rate("delivered_clicked", "clicked / delivered", c.Clicked, c.Delivered, UnitRatio, "MessageClickedCount / MessageSentCount"),
		rate("human_delivered_clicked", "human_clicked / delivered", c.HumanClicked, c.Delivered, UnitRatio, ""),
		rate("unsubscribed", "unsubscribed / delivered", c.Unsubscribed, c.Delivered, UnitRatio, "MessageUnsubscribedCount / MessageSentCount"),
		rate("spam", "complained / delivered", c.Complained, c.Delivered, UnitRatio, "MessageSpamCount / MessageSentCount"),
		rate("opens_per_message", "opens / opened", c.Opens, c.Opened, UnitPerMessage, "EventOpenedCount / MessageOpenedCount"),
		rate("human_opens_per_message", "human_opens / human_opened", c.HumanOpens, c.HumanOpened, UnitPerMessage, ""),
		rate("clicks_per_message", "clicks / clicked", c.Clicks, c.Clicked, UnitPerMessage, "EventClickedCount / MessageClickedCount"),
		rate("human_clicks_per_message", "human_clicks / human_clicked", c.HumanClicks, c.HumanClicked, UnitPerMessage, ""),
		// Mailjet divides by all opened messages, and the clicks' delay by the
		// opened too. Those whose delay is unknown, an open without a known
		// delivery, would pull the average down: they are left out.
		rate("open_delay", "open_delay_ms / open_delays / 1000", c.OpenDelayMS, c.OpenDelays, UnitSeconds, "EventOpenDelay / MessageOpenedCount"),
		rate("click_delay", "click_delay_ms / click_delays / 1000", c.ClickDelayMS, c.ClickDelays, UnitSeconds, "EventClickDelay / MessageClickedCount"),
	}
}
