package analytics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Breakdown tells what part of all each value of a dimension has.
type Breakdown struct {
	// By is what is broken down by: link, country, client, os, device, machine,
	// domain, provider or reason.
	By string `json:"by"`
	SentPeriod
	// ComputedAt is as of when the figures are: now, or some seconds ago for the
	// providers of all of the tenant where there are many domains.
	ComputedAt time.Time `json:"computed_at"`
	// Order is the counter that orders the items, the greatest first, or value.
	Order string `json:"order"`
	// Counters names what is counted of each value.
	Counters    []string         `json:"counters"`
	Definitions []RateDefinition `json:"definitions"`
	Items       []BreakdownItem  `json:"items"`
	// Others are the values beyond the limit together; null where there are none.
	Others *BreakdownOthers `json:"others"`
	// Total has each message once. Where a message can have several values, as it
	// can be opened in two countries, opened, clicked and their like add up to
	// more over the values than the total has.
	Total Rated `json:"total"`
	// UnknownShare is how much of the total is of an unknown value, as the
	// definition of that name says; null where there is nothing.
	UnknownShare *float64 `json:"unknown_share"`

	dimension dimension
}

// BreakdownItem is one value.
type BreakdownItem struct {
	// Value is empty where it is not known; of a reason it is outcome, bounce
	// class and reject reason, joined by /.
	Value string `json:"value"`
	// Detail is the position of a link in its message, where it is known.
	Detail string `json:"detail,omitempty"`
	Rated
}

// BreakdownOthers are several values together.
type BreakdownOthers struct {
	Count int64 `json:"count"`
	Rated
}

// breakdown answers with a breakdown of one campaign, several, or the tenant.
func (a *API) breakdown(ctx context.Context, r *http.Request) (Breakdown, error) {
	b := Breakdown{Items: []BreakdownItem{}}
	if err := knownParams(r, sentPeriodParams(r, "by", "limit", "order")...); err != nil {
		return b, err
	}
	limit, err := b.read(r)
	if err != nil {
		return b, err
	}
	if b.SentPeriod, err = a.sentPeriodOf(ctx, r); err != nil {
		return b, err
	}
	return b, a.fillBreakdown(ctx, &b, limit)
}

// read reads what a breakdown has of its own.
func (b *Breakdown) read(r *http.Request) (limit int, err error) {
	all := dimensions()
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = d.by
	}
	if b.By, err = oneOf(r, "by", names...); err != nil {
		return 0, err
	}
	for _, d := range all {
		if d.by == b.By {
			b.dimension = d
		}
	}
	b.Counters, b.Definitions = b.dimension.counters, append(b.dimension.rates, b.dimension.unknownShare())
	if b.Order, err = oneOf(r, "order", b.dimension.orders()...); err != nil {
		return 0, err
	}
	return limitOf(r, 20, 1000)
}

// parts are what a breakdown is made of.
type parts struct {
	total, others Counts
	values        int64 // of others
	unknown       int64 // of the counter whose share is told
}

func (a *API) fillBreakdown(ctx context.Context, b *Breakdown, limit int) (err error) {
	b.ComputedAt = time.Now().UTC()
	none := make(Counts, len(b.Counters))
	for _, name := range b.Counters {
		none[name] = 0
	}
	of := parts{total: none}
	switch {
	case b.By == "provider" && b.Campaigns == nil:
		err = a.providerParts(ctx, b, &of, limit)
	case b.By == "domain" && b.Campaigns == nil:
		err = a.domainParts(ctx, b, &of, limit)
	default:
		err = a.valueParts(ctx, b, &of, limit)
	}
	if err != nil {
		return err
	}
	rates := b.dimension.rates
	for i := range b.Items {
		b.Items[i].Rated = rate(b.Items[i].Counters, of.total, rates)
	}
	if of.values > 0 {
		b.Others = &BreakdownOthers{of.values, rate(of.others, of.total, rates)}
	}
	b.Total = rate(of.total, of.total, rates)
	if n := of.total[b.dimension.share]; n != 0 {
		share := float64(of.unknown) / float64(n)
		b.UnknownShare = &share
	}
	return nil
}

// valueParts reads the values of the cells.
func (a *API) valueParts(ctx context.Context, b *Breakdown, of *parts, limit int) error {
	query, args := b.query(a.cfg.Tenant, limit)
	err := a.each(ctx, "a breakdown", query, args, func(rows driver.Rows) error {
		var shown uint8
		var item BreakdownItem
		var values uint64
		var unknown int64
		var err error
		if item.Counters, err = scanCounters(rows, b.Counters, &shown, &item.Value, &item.Detail, &values, &unknown); err != nil {
			return err
		}
		of.unknown += unknown
		if b.dimension.summed {
			of.total.add(item.Counters)
		}
		if shown == 1 {
			b.Items = append(b.Items, item)
		} else {
			of.values, of.others = int64(values), item.Counters
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.totalOf(ctx, b, of.total)
}

// scanCounters reads a row of some fields and the counters of these names.
func scanCounters(rows driver.Rows, names []string, fields ...any) (Counts, error) {
	n := make([]int64, len(names))
	for i := range n {
		fields = append(fields, &n[i])
	}
	if err := rows.Scan(fields...); err != nil {
		return nil, err
	}
	counters := make(Counts, len(n))
	for i, name := range names {
		counters[name] = n[i]
	}
	return counters, nil
}

// totalOf adds what the values do not tell.
func (a *API) totalOf(ctx context.Context, b *Breakdown, total Counts) error {
	d := &b.dimension
	if len(d.beside) == 0 {
		return nil
	}
	c, err := a.countedOnce(ctx, &b.SentPeriod)
	if err != nil {
		return err
	}
	if d.of == schemas.DimensionReason {
		total["sent"] = c.Messages
		return nil
	}
	total.add(countsOf(&c, append(d.beside, d.counters...)))
	return nil
}

// sheet has a row for each value, then the others and the total.
func (b *Breakdown) sheet() sheet {
	counters := append(append([]string{}, b.Counters...), b.dimension.beside...)
	s := sheet{name: "breakdown-" + b.By, columns: append([]sheetColumn{{"part", columnText}, {"value", columnText}, {"detail", columnText}},
		ratedSheetColumns(counters, b.dimension.rates)...)}
	row := func(part, value, detail string, r *Rated) {
		s.rows = append(s.rows, append([]any{part, value, detail}, r.cells(counters, b.dimension.rates)...))
	}
	for i := range b.Items {
		row("value", b.Items[i].Value, b.Items[i].Detail, &b.Items[i].Rated)
	}
	if b.Others != nil {
		row("others", fmt.Sprint(b.Others.Count), "", &b.Others.Rated)
	}
	row("total", "", "", &b.Total)
	return s
}
