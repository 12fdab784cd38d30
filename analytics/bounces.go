package analytics

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Bounces tells why messages were not delivered, by mailbox provider.
type Bounces struct {
	SentPeriod
	// ComputedAt is as of when the figures are: now, or some seconds ago for all of
	// the tenant where there are many domains.
	ComputedAt  time.Time        `json:"computed_at"`
	Definitions []RateDefinition `json:"definitions"`
	// Providers are those with most messages that were not delivered, first.
	Providers []ProviderBounces `json:"providers"`
	// Others are the providers beyond the limit together; null where there are none.
	Others *ProviderBounces `json:"others"`
	// Total is over all providers.
	Total ProviderBounces `json:"total"`
}

// ProviderBounces are the messages to a mailbox provider that were not delivered.
type ProviderBounces struct {
	// Provider is other for domains of which none is known, unknown for messages
	// without a domain; empty of others and total.
	Provider string `json:"provider,omitempty"`
	// Count is how many providers these are; only of others.
	Count int64 `json:"count,omitempty"`
	Rated
	// Reasons are the most frequent first.
	Reasons []BounceReason `json:"reasons"`
}

// BounceReason is one outcome with its bounce class and reject reason, of which
// either may be empty: not known.
type BounceReason struct {
	Outcome      string `json:"outcome"`
	BounceClass  string `json:"bounce_class"`
	RejectReason string `json:"reject_reason"`
	Messages     int64  `json:"messages"`
	LateBounces  int64  `json:"late_bounces"`
	// Share is Messages over all messages of the provider that were not delivered.
	Share *float64 `json:"share"`
}

// bounceCounters are those of the dimension reason.
var bounceCounters = []string{"messages", "hard_bounced", "soft_bounced", "rejected", "failed", "late_bounces"}

func bounceDefinitions() []RateDefinition {
	return []RateDefinition{
		define("share", "messages / total.messages", UnitRatio, ""),
		define("of_sent", "messages / total.sent", UnitRatio, ""),
		define("hard", "hard_bounced / messages", UnitRatio, ""),
	}
}

// bounces answers with the reasons of one campaign, several, or the tenant.
func (a *API) bounces(ctx context.Context, r *http.Request) (Bounces, error) {
	b := Bounces{Definitions: bounceDefinitions(), Providers: []ProviderBounces{}}
	if err := knownParams(r, sentPeriodParams(r, "limit")...); err != nil {
		return b, err
	}
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		return b, err
	}
	if b.SentPeriod, err = a.sentPeriodOf(ctx, r); err != nil {
		return b, err
	}
	found, at, err := a.bouncesFound(ctx, &b.SentPeriod)
	if err != nil {
		return b, err
	}
	b.ComputedAt = at.UTC()
	byProvider := found.copied()
	slices.SortFunc(byProvider, func(a, b ProviderBounces) int {
		return cmp.Or(cmp.Compare(b.Counters["messages"], a.Counters["messages"]), cmp.Compare(a.Provider, b.Provider))
	})
	b.Total = together(byProvider)
	b.Total.Counters["sent"] = found.sent
	b.Total.Rated = rate(b.Total.Counters, b.Total.Counters, b.Definitions)
	for i := range byProvider {
		byProvider[i].Rated = rate(byProvider[i].Counters, b.Total.Counters, b.Definitions)
	}
	b.Providers = byProvider
	if len(byProvider) > limit {
		others := together(byProvider[limit:])
		others.Rated, others.Count = rate(others.Counters, b.Total.Counters, b.Definitions), int64(len(byProvider)-limit)
		b.Providers, b.Others = byProvider[:limit], &others
	}
	for i := range b.Providers {
		b.Providers[i].finish()
	}
	b.Total.finish()
	if b.Others != nil {
		b.Others.finish()
	}
	return b, nil
}

// bouncesFound are the reasons of each provider, and how many messages were sent.
type bouncesFound struct {
	providers []ProviderBounces
	sent      int64
}

// copied returns the providers for an answer, which orders their reasons.
func (f *bouncesFound) copied() []ProviderBounces {
	list := slices.Clone(f.providers)
	for i := range list {
		list[i].Reasons = slices.Clone(list[i].Reasons)
	}
	return list
}

// sentBetween is a period of the tenant, in Unix seconds; 0 is none.
type sentBetween struct{ from, to int64 }

// bouncesFound reads the reasons; those of the tenant are kept.
func (a *API) bouncesFound(ctx context.Context, p *SentPeriod) (bouncesFound, time.Time, error) {
	if p.Campaigns == nil {
		return a.tenantBounces.get(ctx, sentBetween{p.from, p.to})
	}
	at := time.Now()
	found, err := a.readAllBounces(ctx, p)
	return found, at, err
}

// readTenantBounces is the work of tenantBounces.
func (a *API) readTenantBounces(ctx context.Context, of sentBetween) (bouncesFound, error) {
	return a.readAllBounces(ctx, &SentPeriod{from: of.from, to: of.to})
}

func (a *API) readAllBounces(ctx context.Context, p *SentPeriod) (found bouncesFound, err error) {
	if found.providers, err = a.readBounces(ctx, p); err != nil {
		return found, err
	}
	sent, err := a.countedOnce(ctx, p)
	found.sent = sent.Messages
	return found, err
}

// readBounces reads the providers and their reasons, in no order.
func (a *API) readBounces(ctx context.Context, p *SentPeriod) ([]ProviderBounces, error) {
	f := p.filter(a.cfg.Tenant, schemas.DimensionReason)
	query := "SELECT " + providerOf("value") + " AS provider, detail, " + sumsOf(bounceCounters, "") +
		"\nFROM breakdowns LEFT ANY JOIN (" + providers + ") AS p ON value = p.domain WHERE " + f.String() + " GROUP BY provider, detail HAVING sum(messages) != 0"
	at := map[string]int{}
	var list []ProviderBounces
	err := a.each(ctx, "bounces", query, f.args, func(rows driver.Rows) error {
		var provider, detail string
		n := make([]int64, len(bounceCounters))
		if err := rows.Scan(&provider, &detail, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]); err != nil {
			return err
		}
		i, known := at[provider]
		if !known {
			i = len(list)
			at[provider] = i
			list = append(list, ProviderBounces{Provider: provider, Rated: Rated{Counters: Counts{}}})
		}
		for j, name := range bounceCounters {
			list[i].Counters[name] += n[j]
		}
		list[i].Reasons = append(list[i].Reasons, reasonOf(detail, n[0], n[5]))
		return nil
	})
	return list, err
}

// reasonOf takes the detail of the dimension reason apart.
func reasonOf(detail string, messages, late int64) BounceReason {
	outcome, rest, _ := strings.Cut(detail, "/")
	class, reason, _ := strings.Cut(rest, "/")
	return BounceReason{Outcome: outcome, BounceClass: class, RejectReason: reason, Messages: messages, LateBounces: late}
}

// together adds up what several providers have.
func together(list []ProviderBounces) ProviderBounces {
	sum := ProviderBounces{Rated: Rated{Counters: Counts{}}}
	for _, name := range bounceCounters {
		sum.Counters[name] = 0
	}
	at := map[[3]string]int{}
	for _, p := range list {
		sum.Counters.add(p.Counters)
		for _, reason := range p.Reasons {
			key := [3]string{reason.Outcome, reason.BounceClass, reason.RejectReason}
			i, known := at[key]
			if !known {
				i = len(sum.Reasons)
				at[key] = i
				sum.Reasons = append(sum.Reasons, BounceReason{Outcome: key[0], BounceClass: key[1], RejectReason: key[2]})
			}
			sum.Reasons[i].Messages += reason.Messages
			sum.Reasons[i].LateBounces += reason.LateBounces
		}
	}
	return sum
}

// finish orders the reasons and works out their shares.
func (p *ProviderBounces) finish() {
	slices.SortFunc(p.Reasons, func(a, b BounceReason) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.BounceClass, b.BounceClass), cmp.Compare(a.RejectReason, b.RejectReason))
	})
	if p.Reasons == nil {
		p.Reasons = []BounceReason{}
	}
	if n := p.Counters["messages"]; n != 0 {
		for i := range p.Reasons {
			share := float64(p.Reasons[i].Messages) / float64(n)
			p.Reasons[i].Share = &share
		}
	}
}

// sheet has a row for each provider and reason.
func (b *Bounces) sheet() sheet {
	s := sheet{name: "bounces", columns: []sheetColumn{
		{"provider", columnText}, {"outcome", columnText}, {"bounce_class", columnText}, {"reject_reason", columnText},
		{"messages", columnInteger}, {"late_bounces", columnInteger}, {"share", columnReal},
	}}
	add := func(name string, p *ProviderBounces) {
		for _, r := range p.Reasons {
			s.rows = append(s.rows, []any{name, r.Outcome, r.BounceClass, r.RejectReason, r.Messages, r.LateBounces, realCell(r.Share)})
		}
	}
	for i := range b.Providers {
		add(b.Providers[i].Provider, &b.Providers[i])
	}
	if b.Others != nil {
		add("(others)", b.Others)
	}
	return s
}
