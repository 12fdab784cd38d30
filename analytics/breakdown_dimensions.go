package analytics

import (
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// dimension is something to break down by: what is counted of it, and which rates
// that makes.
type dimension struct {
	by string // as the parameter by has it
	of schemas.Dimension
	// counters are those that a value has; the first one orders the values where
	// nothing else is asked for.
	counters []string
	// beside are counters of the total only, which rates divide by.
	beside []string
	// summed: each message has one value, so that the sum over all values is the
	// total. A message clicked in two links is one message, and two of the sum.
	summed bool
	rates  []RateDefinition
	// unknown is the condition of a value v that says that it is not known, share
	// the counter whose share it is.
	unknown, share string
}

// dimensions lists what can be broken down by; the first is the standard.
func dimensions() []dimension {
	behaviour := []string{"opens", "human_opens", "opened", "human_opened", "clicks", "human_clicks", "clicked", "human_clicked"}
	behaviourRates := []RateDefinition{
		define("open_share", "opens / total.opens", UnitRatio, ""),
		define("human_open_share", "human_opens / total.human_opens", UnitRatio, ""),
		define("click_share", "clicks / total.clicks", UnitRatio, ""),
		define("human_click_share", "human_clicks / total.human_clicks", UnitRatio, ""),
		define("opened", "opened / total.delivered", UnitRatio, ""),
		define("human_opened", "human_opened / total.delivered", UnitRatio, ""),
		define("clicked", "clicked / total.delivered", UnitRatio, ""),
		define("human_clicked", "human_clicked / total.delivered", UnitRatio, ""),
		define("machine_opens", "(opens - human_opens) / opens", UnitRatio, ""),
		define("machine_clicks", "(clicks - human_clicks) / clicks", UnitRatio, ""),
	}
	deed := func(by string, of schemas.Dimension) dimension {
		return dimension{by: by, of: of, counters: behaviour, beside: []string{"messages", "delivered"}, rates: behaviourRates, unknown: "v = ''", share: "opens"}
	}
	message := func(by, unknown string) dimension {
		return dimension{by: by, of: schemas.DimensionDomain, counters: counterNames, summed: true, rates: messageRates(), unknown: unknown, share: "messages"}
	}
	return []dimension{
		{
			by: "link", of: schemas.DimensionLink, counters: []string{"clicks", "human_clicks", "clicked", "human_clicked"}, beside: []string{"messages", "delivered"},
			rates: []RateDefinition{
				define("click_share", "clicks / total.clicks", UnitRatio, ""),
				define("human_click_share", "human_clicks / total.human_clicks", UnitRatio, ""),
				define("clicked", "clicked / total.delivered", UnitRatio, ""),
				define("human_clicked", "human_clicked / total.delivered", UnitRatio, ""),
				define("clicks_per_message", "clicks / clicked", UnitPerMessage, "ClickedEventsCount / ClickedMessagesCount (link-click)"),
				define("machine_clicks", "(clicks - human_clicks) / clicks", UnitRatio, ""),
			},
			unknown: "v = ''", share: "clicks",
		},
		deed("country", schemas.DimensionCountry),
		deed("client", schemas.DimensionClient),
		deed("os", schemas.DimensionOS),
		deed("device", schemas.DimensionDevice),
		{
			by: "machine", of: schemas.DimensionMachine, counters: []string{"opens", "clicks", "opened", "clicked"}, beside: []string{"messages", "delivered"},
			rates: []RateDefinition{
				define("open_share", "opens / total.opens", UnitRatio, ""),
				define("click_share", "clicks / total.clicks", UnitRatio, ""),
				define("opened_share", "opened / total.opened", UnitRatio, ""),
				define("clicked_share", "clicked / total.clicked", UnitRatio, ""),
			},
			unknown: "v = 'unknown'", share: "opens",
		},
		message("domain", "v = ''"),
		message("provider", "v = '"+providerUnknown+"'"),
		{
			by: "reason", of: schemas.DimensionReason, counters: []string{"messages", "hard_bounced", "soft_bounced", "rejected", "failed", "late_bounces"}, beside: []string{"sent"}, summed: true,
			rates: []RateDefinition{
				define("share", "messages / total.messages", UnitRatio, ""),
				define("of_sent", "messages / total.sent", UnitRatio, ""),
			},
			unknown: "endsWith(v, '//')", share: "messages",
		},
	}
}

// messageRates are those of all counters of messages, as a campaign has them, and
// two of a part of the messages.
func messageRates() []RateDefinition {
	return append(rateDefinitions(),
		define("share", "messages / total.messages", UnitRatio, ""),
		define("attempted_opened", "opened / messages", UnitRatio, "OpenedMessagesCount / AttemptedMessagesCount (recipient-esp)"))
}

// unknownShare defines the share of what is not known.
func (d *dimension) unknownShare() RateDefinition {
	return define("unknown_share", d.share+" of unknown "+d.by+" / total."+d.share, UnitRatio, "")
}

// orders lists what the values may be ordered by: the standard first, and the
// value itself last.
func (d *dimension) orders() []string { return append(slices.Clone(d.counters), "value") }
