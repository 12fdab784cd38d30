package analytics

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Hygiene tells who of those that were mailed should no longer be.
type Hygiene struct {
	// MinMessages is how many messages must have been delivered to a recipient
	// before their silence says something.
	MinMessages int `json:"min_messages"`
	// InactiveDays is for how long a recipient must have been silent.
	InactiveDays int `json:"inactive_days"`
	// InactiveSince is the day, of UTC, before which the last sign of the inactive
	// was seen.
	InactiveSince string `json:"inactive_since"`
	// ComputedAt is as of when the figures are.
	ComputedAt time.Time `json:"computed_at"`
	// Conditions tell who is counted.
	Conditions  []Condition      `json:"conditions"`
	Definitions []RateDefinition `json:"definitions"`
	// Rated counts recipients.
	Rated
	// DeadDomains are domains of at least MinDomainRecipients recipients to which
	// no message was delivered and some bounced; those of most recipients first.
	DeadDomains         []DeadDomain `json:"dead_domains"`
	MinDomainRecipients int          `json:"min_domain_recipients"`
	// DeadDomainCount is how many there are, DeadDomainRecipients how many
	// recipients they have, beyond the limit too.
	DeadDomainCount      int64 `json:"dead_domain_count"`
	DeadDomainRecipients int64 `json:"dead_domain_recipients"`
}

// Condition tells who a counter counts.
type Condition struct {
	Name      string `json:"name"`
	Condition string `json:"condition"`
}

// DeadDomain is a domain that takes no messages.
type DeadDomain struct {
	Domain      string `json:"domain"`
	Recipients  int64  `json:"recipients"`
	Messages    int64  `json:"messages"`
	HardBounced int64  `json:"hard_bounced"`
	SoftBounced int64  `json:"soft_bounced"`
	Rejected    int64  `json:"rejected"`
	// LastSentAt is null where no send is known.
	LastSentAt *time.Time `json:"last_sent_at"`
}

const (
	// maxHygieneMessages and maxInactiveDays bound what can be asked for.
	maxHygieneMessages = 100
	maxInactiveDays    = 3650
)

// hygieneConditions lists the counters of hygiene.
func (h *Hygiene) hygieneConditions() []Condition {
	enough := fmt.Sprintf("delivered >= %d", h.MinMessages)
	engaged := "(human_opened > 0 or human_clicked > 0)"
	return []Condition{
		{"recipients", "messages > 0"},
		{"delivered", "delivered > 0"},
		{"undelivered", "delivered = 0"},
		{"enough", enough},
		{"never_engaged", enough + " and not " + engaged},
		{"inactive", enough + " and " + engaged + " and the last open or click, by anyone, before " + h.InactiveSince},
		{"active", engaged + " and the last open or click, by anyone, since " + h.InactiveSince},
		{"hard_bounced", "hard_bounced > 0"},
		{"complained", "complained > 0"},
		{"unsubscribed", "unsubscribed > 0"},
	}
}

func hygieneDefinitions() []RateDefinition {
	return []RateDefinition{
		define("undelivered", "undelivered / recipients", UnitRatio, ""),
		define("never_engaged", "never_engaged / recipients", UnitRatio, ""),
		define("never_engaged_of_enough", "never_engaged / enough", UnitRatio, ""),
		define("inactive", "inactive / recipients", UnitRatio, ""),
		define("inactive_of_enough", "inactive / enough", UnitRatio, ""),
		define("active", "active / recipients", UnitRatio, ""),
		define("hard_bounced", "hard_bounced / recipients", UnitRatio, ""),
		define("complained", "complained / recipients", UnitRatio, ""),
		define("unsubscribed", "unsubscribed / recipients", UnitRatio, ""),
	}
}

// numberOf reads a parameter that is a whole number.
func numberOf(r *http.Request, name string, standard, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badParam(name, fmt.Sprintf("want a number from %d to %d", least, most))
	}
	return n, nil
}

// hygiene answers from what is kept of all recipients.
func (a *API) hygiene(ctx context.Context, r *http.Request) (Hygiene, error) {
	h := Hygiene{Definitions: hygieneDefinitions(), DeadDomains: []DeadDomain{}}
	err := knownParams(r, "min_messages", "inactive_days", "min_domain_recipients", "limit")
	if err != nil {
		return h, err
	}
	if h.MinMessages, err = numberOf(r, "min_messages", 3, 1, maxHygieneMessages); err != nil {
		return h, err
	}
	if h.InactiveDays, err = numberOf(r, "inactive_days", 180, 1, maxInactiveDays); err != nil {
		return h, err
	}
	if h.MinDomainRecipients, err = numberOf(r, "min_domain_recipients", 3, 1, 1_000_000); err != nil {
		return h, err
	}
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		return h, err
	}
	known, at, err := a.recipients.get(ctx)
	if err != nil {
		return h, err
	}
	h.ComputedAt = at.UTC()
	before := at.Unix()/secondsOfDay - int64(h.InactiveDays)
	h.InactiveSince = time.Unix(before*secondsOfDay, 0).UTC().Format(time.DateOnly)
	h.Conditions = h.hygieneConditions()
	h.Rated = rate(known.count(&h, before), nil, h.Definitions)
	for _, d := range known.dead {
		if d.Recipients < int64(h.MinDomainRecipients) {
			break // They are in order.
		}
		h.DeadDomainCount++
		h.DeadDomainRecipients += d.Recipients
		if len(h.DeadDomains) < limit {
			h.DeadDomains = append(h.DeadDomains, d)
		}
	}
	return h, nil
}

// sheet has a row for each counter, then the dead domains.
func (h *Hygiene) sheet() sheet {
	s := sheet{name: "hygiene", columns: []sheetColumn{
		{"part", columnText}, {"name", columnText}, {"recipients", columnInteger}, {"share_of_recipients", columnReal},
		{"messages", columnInteger}, {"hard_bounced", columnInteger}, {"soft_bounced", columnInteger}, {"rejected", columnInteger}, {"last_sent_at", columnTime},
	}}
	all := h.Counters["recipients"]
	share := func(n int64) any {
		if all == 0 {
			return nil
		}
		return float64(n) / float64(all)
	}
	for _, c := range h.Conditions {
		n := h.Counters[c.Name]
		s.rows = append(s.rows, []any{"recipients", c.Name, n, share(n), nil, nil, nil, nil, nil})
	}
	for _, d := range h.DeadDomains {
		s.rows = append(s.rows, []any{"dead_domain", d.Domain, d.Recipients, share(d.Recipients), d.Messages, d.HardBounced, d.SoftBounced, d.Rejected, timeCell(d.LastSentAt)})
	}
	return s
}
