package analytics

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Deliverability is the course over time of what became of messages, by mailbox
// provider or domain. All counts of a message are at the day of its send.
type Deliverability struct {
	// By is provider or domain.
	By string `json:"by"`
	// Resolution is day, of UTC, or week, which begins on Monday.
	Resolution string `json:"resolution"`
	SentPeriod
	// ComputedAt is as of when the figures are: now, or some seconds ago where
	// there are many domains.
	ComputedAt time.Time `json:"computed_at"`
	// Counters names what is counted.
	Counters    []string         `json:"counters"`
	Definitions []RateDefinition `json:"definitions"`
	// Starts are the days on which the buckets begin, without gaps.
	Starts []string `json:"starts"`
	// Items are those with most messages, first.
	Items []DeliverabilityItem `json:"items"`
	// Others are those beyond the limit together; null where there are none.
	Others *DeliverabilityItem `json:"others"`
	Total  DeliverabilityItem  `json:"total"`
}

// DeliverabilityItem is the course of one provider or domain.
type DeliverabilityItem struct {
	// Value is the provider or the domain; empty of others and total, and of an
	// unknown domain.
	Value string `json:"value"`
	// Count is how many these are; only of others.
	Count int64 `json:"count,omitempty"`
	Rated
	// Points has one for each of Starts. The share of a point is that of all
	// messages of its bucket.
	Points []Rated `json:"points"`
}

// deliverabilityCounters are those of messages that tell how they fared.
var deliverabilityCounters = []string{
	"messages", "queued", "deferred", "delivered", "rejected", "failed", "hard_bounced", "soft_bounced", "late_bounces",
	"opened", "human_opened", "clicked", "human_clicked", "unsubscribed", "complained",
}

func deliverabilityDefinitions() []RateDefinition {
	wanted := []string{
		"delivered", "blocked", "hard_bounced", "soft_bounced", "deferred", "opened", "human_opened", "clicked", "human_clicked",
		"delivered_clicked", "human_delivered_clicked", "unsubscribed", "spam", "share", "attempted_opened",
	}
	return slices.DeleteFunc(messageRates(), func(d RateDefinition) bool { return !slices.Contains(wanted, d.Name) })
}

// maxDeliverabilityPoints bounds an answer: ten providers, the others and all over
// 400 days, and some 6 MB of JSON.
const maxDeliverabilityPoints = 5000

// deliverability answers for the tenant, or for some of its campaigns.
func (a *API) deliverability(ctx context.Context, r *http.Request) (Deliverability, error) {
	d := Deliverability{Counters: deliverabilityCounters, Definitions: deliverabilityDefinitions(), Starts: []string{}, Items: []DeliverabilityItem{}}
	if err := knownParams(r, sentPeriodParams(r, "by", "resolution", "limit")...); err != nil {
		return d, err
	}
	var err error
	if d.By, err = oneOf(r, "by", "provider", "domain"); err != nil {
		return d, err
	}
	if d.Resolution, err = oneOf(r, "resolution", "day", "week"); err != nil {
		return d, err
	}
	limit, err := limitOf(r, 10, 50)
	if err != nil {
		return d, err
	}
	if d.SentPeriod, err = a.sentPeriodOf(ctx, r); err != nil {
		return d, err
	}
	courses, err := a.readCourses(ctx, &d, limit)
	if err != nil {
		return d, err
	}
	return d, d.fill(courses, limit)
}

// valueCourse are the counters of one provider or domain by the start of a bucket.
type valueCourse struct {
	value   string
	count   int64 // of those that are folded into it
	buckets map[int64]Counts
}

func (c *valueCourse) messages() (n int64) {
	for _, b := range c.buckets {
		n += b["messages"]
	}
	return n
}

// bucketOf returns the start of the bucket of a day.
func (d *Deliverability) bucketOf(day int64) int64 {
	if d.Resolution == "week" {
		const thursday = 3 // 1970-01-01 was one
		day -= (day/secondsOfDay + thursday) % 7 * secondsOfDay
	}
	return day
}

// fill makes the answer of the courses, of which at most one is of several.
func (d *Deliverability) fill(courses []valueCourse, limit int) error {
	slices.SortFunc(courses, func(a, b valueCourse) int {
		return cmp.Or(cmp.Compare(a.count, b.count), cmp.Compare(b.messages(), a.messages()), cmp.Compare(a.value, b.value))
	})
	shown := min(limit, len(courses))
	if n := len(courses); n > 0 && courses[n-1].count > 0 {
		shown = min(shown, n-1)
	}
	total := joined(courses)
	starts, err := d.starts(total.buckets, shown+2)
	if err != nil {
		return err
	}
	for _, at := range starts {
		d.Starts = append(d.Starts, time.Unix(at, 0).UTC().Format(time.DateOnly))
	}
	for i := range courses[:shown] {
		d.Items = append(d.Items, d.item(&courses[i], &total, starts))
	}
	if shown < len(courses) {
		rest := joined(courses[shown:])
		others := d.item(&rest, &total, starts)
		others.Count = rest.count
		d.Others = &others
	}
	d.Total = d.item(&total, &total, starts)
	return nil
}

// joined adds courses up.
func joined(courses []valueCourse) valueCourse {
	sum := valueCourse{buckets: map[int64]Counts{}}
	for _, c := range courses {
		sum.count += max(c.count, 1)
		for at, n := range c.buckets {
			if sum.buckets[at] == nil {
				sum.buckets[at] = Counts{}
			}
			sum.buckets[at].add(n)
		}
	}
	return sum
}

// starts lists where the buckets begin: of the period that was asked for, or from
// the first to the last in which anything was sent. There is a point in each for
// each of so many courses.
func (d *Deliverability) starts(counted map[int64]Counts, courses int) ([]int64, error) {
	if len(counted) == 0 {
		return nil, nil
	}
	first, last := int64(lastTime), int64(0)
	for at := range counted {
		first, last = min(first, at), max(last, at)
	}
	if d.from > 0 {
		first = d.bucketOf(d.from)
	}
	if d.to > 0 {
		last = d.bucketOf(d.to - secondsOfDay)
	}
	step := int64(secondsOfDay)
	if d.Resolution == "week" {
		step *= 7
	}
	if n := (last-first)/step + 1; n*int64(courses) > maxDeliverabilityPoints {
		return nil, badParam("since", fmt.Sprintf("%d buckets of %d courses are more than %d points: take a shorter period, a lower limit, or resolution=week", n, courses, maxDeliverabilityPoints))
	}
	var starts []int64
	for at := first; at <= last; at += step {
		starts = append(starts, at)
	}
	return starts, nil
}

func (d *Deliverability) item(c, total *valueCourse, starts []int64) DeliverabilityItem {
	none := d.none()
	item := DeliverabilityItem{Value: c.value, Points: make([]Rated, len(starts))}
	sum, all := d.none(), d.none()
	for i, at := range starts {
		n, of := c.buckets[at], total.buckets[at]
		if of == nil {
			of = none
		}
		if n == nil {
			n = none
		}
		sum.add(n)
		all.add(of)
		item.Points[i] = rate(n, of, d.Definitions)
	}
	item.Rated = rate(sum, all, d.Definitions)
	return item
}

// none are counters of nothing.
func (d *Deliverability) none() Counts {
	none := make(Counts, len(d.Counters))
	for _, name := range d.Counters {
		none[name] = 0
	}
	return none
}

// sheet has a row for each bucket of each item, the others and the total.
func (d *Deliverability) sheet() sheet {
	s := sheet{name: "deliverability", columns: append([]sheetColumn{{"part", columnText}, {d.By, columnText}, {"start", columnText}},
		ratedSheetColumns(d.Counters, d.Definitions)...)}
	add := func(part string, item *DeliverabilityItem) {
		for i := range item.Points {
			s.rows = append(s.rows, append([]any{part, item.Value, d.Starts[i]}, item.Points[i].cells(d.Counters, d.Definitions)...))
		}
	}
	for i := range d.Items {
		add(d.By, &d.Items[i])
	}
	if d.Others != nil {
		add("others", d.Others)
	}
	add("total", &d.Total)
	return s
}

// domainFilter leads to the cells of domains.
func (d *Deliverability) domainFilter(tenant string) filter {
	f := d.filter(tenant, schemas.DimensionDomain)
	if !d.bounded() {
		f.add("window_start > fromUnixTimestamp(0)")
	}
	return f
}
