package analytics

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/analytics/inference"
	"github.com/posthorn/posthorn/schemas"
)

// Delays tells how long it took from delivery to the first open, and from the first
// open to the first click.
type Delays struct {
	SentPeriod
	Open       Delay `json:"open"`
	HumanOpen  Delay `json:"human_open"`
	Click      Delay `json:"click"`
	HumanClick Delay `json:"human_click"`
	// Error bounds how wrong percentiles, and means that are not exact, can be, as
	// a share of them: they are known by buckets.
	Error       float64 `json:"error"`
	Approximate bool    `json:"approximate"`
	// Definitions say what each delay is.
	Definitions map[string]string `json:"definitions"`
}

// Delay is the distribution of one delay. Where there are no messages, what is
// said of them is null.
type Delay struct {
	Messages    int64    `json:"messages"`
	MeanSeconds *float64 `json:"mean_seconds"`
	// MeanExact: the mean is that of the delays themselves, not of their buckets.
	MeanExact   bool                `json:"mean_exact"`
	Percentiles map[string]*float64 `json:"percentiles"`
	// Histogram has the buckets with any message, with those of people beside all;
	// null is: of people alone, as in the one of all.
	Histogram []DelayBucket `json:"histogram"`
}

// DelayBucket counts messages whose delay is from ≤ delay < to.
type DelayBucket struct {
	FromSeconds float64 `json:"from_seconds"`
	ToSeconds   float64 `json:"to_seconds"`
	Messages    int64   `json:"messages"`
	Human       int64   `json:"human"`
}

// delayError is the width of a bucket as a share of where it begins, rounded up.
const delayError = 0.032

var delayPercentiles = []int{5, 10, 25, 50, 75, 90, 95, 99}

// delayDefinitions say what is measured.
var delayDefinitions = map[string]string{
	"open":        "delivery to first open, of messages of which both are known",
	"human_open":  "delivery to first open by other than machines",
	"click":       "first open to first click",
	"human_click": "first open to first click, both by other than machines",
}

// delays answers with the distributions of delays.
func (a *API) delays(ctx context.Context, r *http.Request) (Delays, error) {
	p, err := a.sentCellsOf(ctx, r)
	answer := Delays{SentPeriod: p, Error: delayError, Approximate: true, Definitions: delayDefinitions}
	if err != nil {
		return answer, err
	}
	var open, click delayCounts
	if err := a.delayCounts(ctx, &p, &open, schemas.DimensionOpenDelay, "opened", "human_opened"); err != nil {
		return answer, err
	}
	if err := a.delayCounts(ctx, &p, &click, schemas.DimensionClickDelay, "clicked", "human_clicked"); err != nil {
		return answer, err
	}
	if answer.Open, answer.HumanOpen, err = open.delays(); err != nil {
		return answer, err
	}
	if answer.Click, answer.HumanClick, err = click.delays(); err != nil {
		return answer, err
	}
	return answer, a.exactMeans(ctx, &p, &answer)
}

// delayCounts reads the buckets of a delay.
func (a *API) delayCounts(ctx context.Context, p *SentPeriod, to *delayCounts, dimension schemas.Dimension, counters ...string) error {
	return a.eachCell(ctx, "delays", p.filter(a.cfg.Tenant, dimension), []string{"value"}, counters, func(rows driver.Rows) error {
		var value string
		var all, human int64
		if err := rows.Scan(&value, &all, &human); err != nil {
			return err
		}
		return to.add(value, all, human)
	})
}

// exactMeans takes the means of all from the sums of the messages: of lifetimes, or,
// where there is a period, of the days' domains.
func (a *API) exactMeans(ctx context.Context, p *SentPeriod, answer *Delays) error {
	const columns = "sum(open_delay_ms), sum(open_delays), sum(click_delay_ms), sum(click_delays)"
	var query string
	var args []any
	if !p.bounded() {
		windows, of := subject{scope: ScopeTenant, campaigns: p.Campaigns}.windows(a.cfg.Tenant, schemas.BasisLifetime, 0, 0, "open_delay_ms", "open_delays", "click_delay_ms", "click_delays")
		query, args = "SELECT "+columns+" FROM ("+windows+")", of
	} else {
		f := p.filter(a.cfg.Tenant, schemas.DimensionDomain)
		query, args = "SELECT "+columns+" FROM breakdowns WHERE "+f.String(), f.args
	}
	var c schemas.Counters
	err := a.cfg.Conn.QueryRow(ctx, query, args...).Scan(&c.OpenDelayMS, &c.OpenDelays, &c.ClickDelayMS, &c.ClickDelays)
	if err != nil {
		return fmt.Errorf("reading mean delays: %w", err)
	}
	for _, mean := range []struct {
		of      *Delay
		ms, all int64
	}{{&answer.Open, c.OpenDelayMS, c.OpenDelays}, {&answer.Click, c.ClickDelayMS, c.ClickDelays}} {
		if mean.all > 0 {
			seconds := float64(mean.ms) / float64(mean.all) / 1000
			mean.of.MeanSeconds, mean.of.MeanExact = &seconds, true
		}
	}
	return nil
}

// delayCounts are the buckets of a delay, of all and of people.
type delayCounts []delayCount

type delayCount struct{ from, all, human int64 }

func (c *delayCounts) add(value string, all, human int64) error {
	from, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("a delay of %q is no number: %w", value, err)
	}
	*c = append(*c, delayCount{from, all, human})
	return nil
}

// delays makes the distributions of all and of people.
func (c delayCounts) delays() (all, human Delay, err error) {
	slices.SortFunc(c, func(a, b delayCount) int { return cmp.Compare(a.from, b.from) })
	var ofAll, ofHuman []inference.Bucket
	all.Histogram = []DelayBucket{}
	for _, n := range c {
		from, to := schemas.DelayBucket(n.from)
		if from != n.from {
			return all, human, fmt.Errorf("no bucket of delays begins at %d ms", n.from)
		}
		ofAll = append(ofAll, inference.Bucket{From: from, To: to, Count: n.all})
		ofHuman = append(ofHuman, inference.Bucket{From: from, To: to, Count: n.human})
		if n.all != 0 || n.human != 0 {
			all.Histogram = append(all.Histogram, DelayBucket{float64(from) / 1000, float64(to) / 1000, n.all, n.human})
		}
	}
	all.describe(ofAll)
	human.describe(ofHuman)
	return all, human, nil
}

func (d *Delay) describe(buckets []inference.Bucket) {
	d.Percentiles = map[string]*float64{}
	for _, b := range buckets {
		d.Messages += b.Count
	}
	seconds := func(ms float64, ok bool) *float64 {
		if ms /= 1000; ok {
			return &ms
		}
		return nil
	}
	d.MeanSeconds = seconds(inference.Mean(buckets))
	for _, p := range delayPercentiles {
		d.Percentiles["p"+strconv.Itoa(p)] = seconds(inference.Quantile(buckets, float64(p)/100))
	}
}

// sheet has the histograms, a row for each bucket.
func (d *Delays) sheet() sheet {
	s := sheet{name: "delays", columns: []sheetColumn{{"delay", columnText}, {"from_seconds", columnReal}, {"to_seconds", columnReal}, {"messages", columnInteger}, {"human", columnInteger}}}
	for _, of := range []struct {
		name string
		Delay
	}{{"open", d.Open}, {"click", d.Click}} {
		for _, b := range of.Histogram {
			s.rows = append(s.rows, []any{of.name, b.FromSeconds, b.ToSeconds, b.Messages, b.Human})
		}
	}
	return s
}
