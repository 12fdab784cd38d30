package analytics

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Cohorts tells how messages sent in a day, week or month did as they aged.
type Cohorts struct {
	SentPeriod
	// By is day, week (from Monday) or month, of the send in UTC.
	By string `json:"by"`
	// Ages are the stretches of age that are counted, in hours since the send.
	Ages    []Age    `json:"ages"`
	Cohorts []Cohort `json:"cohorts"` // in order; those without messages are left out
	// All is all cohorts taken together.
	All Cohort `json:"all"`
	// Definitions say what the figures of an age are.
	Definitions map[string]string `json:"definitions"`
}

// Age is a stretch of age.
type Age struct {
	FromHours int64  `json:"from_hours"`
	ToHours   *int64 `json:"to_hours"` // null: no end
}

// Cohort are the messages sent in one stretch of time.
type Cohort struct {
	Start *string `json:"start"` // first day; null of all
	// Sent has the counters of the cohort itself: messages and their outcomes.
	Sent map[string]int64 `json:"sent"`
	// Ages are in the order of ages.
	Ages []CohortAge `json:"ages"`
	// HalfOpenedHours and HalfClickedHours are the end of the age at which half of
	// all messages opened (clicked) by people so far were, at the latest; null
	// where there are none, or it was in the last age.
	HalfOpenedHours  *int64 `json:"half_opened_hours"`
	HalfClickedHours *int64 `json:"half_clicked_hours"`
}

// CohortAge is what happened at an age. Where no message of the cohort has reached
// it yet, it has no figures: they are unknown.
type CohortAge struct {
	FromHours int64 `json:"from_hours"`
	// State is complete, partial (some messages are still younger) or future.
	State    string           `json:"state"`
	Counters map[string]int64 `json:"counters,omitempty"`
	// Cumulative are the shares of the delivered that were opened, clicked and so
	// on for the first time up to the end of this age.
	Cumulative map[string]*float64 `json:"cumulative,omitempty"`
	// Decay are the shares of all first opens, clicks and so on so far that
	// happened at this age, an hour of it: how fast it fades.
	Decay map[string]*float64 `json:"decay,omitempty"`
}

// States of an age of a cohort.
const (
	AgeComplete = "complete"
	AgePartial  = "partial"
	AgeFuture   = "future"
)

var cohortDefinitions = map[string]string{
	"cumulative": "messages with a first open (click, ...) up to the end of the age / delivered",
	"decay":      "messages with a first open (click, ...) at the age / those at all ages so far / hours of the age",
	"state":      "complete: all messages of the cohort are past the age; partial: not all; future: none has reached it",
}

var (
	cohortSent  = []string{"messages", "queued", "deferred", "delivered", "rejected", "failed", "hard_bounced", "soft_bounced"}
	cohortFirst = []string{"opened", "human_opened", "clicked", "human_clicked", "unsubscribed", "complained"}
	cohortAged  = append([]string{"opens", "human_opens", "clicks", "human_clicks", "unsubscribes", "complaints"}, cohortFirst...)
)

// maxCohorts bounds the cohorts of an answer: about ten years of weeks.
const maxCohorts = 550

// cohorts answers with the cohorts of a period.
func (a *API) cohorts(ctx context.Context, r *http.Request) (Cohorts, error) {
	p, err := a.sentCellsOf(ctx, r, "by")
	answer := Cohorts{SentPeriod: p, Ages: ages(), Cohorts: []Cohort{}, Definitions: cohortDefinitions}
	if err != nil {
		return answer, err
	}
	if answer.By, err = oneOf(r, "by", "day", "week", "month"); err != nil {
		return answer, err
	}
	cells, all, err := a.cohortCells(ctx, &p, answer.By)
	if err != nil {
		return answer, err
	}
	if len(cells) > maxCohorts {
		return answer, badParam("by", fmt.Sprintf("%s makes more than %d cohorts: take week or month, or a shorter period by since and until", answer.By, maxCohorts))
	}
	now := a.cfg.now().Unix()
	for _, c := range cells {
		if c.sent["messages"] == 0 {
			continue
		}
		answer.Cohorts = append(answer.Cohorts, c.cohort(now))
	}
	answer.All = all.cohort(now)
	answer.All.Start = nil
	return answer, nil
}

// ages lists the stretches of age.
func ages() (list []Age) {
	hours := schemas.AgeHours()
	for i, from := range hours {
		age := Age{FromHours: from}
		if i+1 < len(hours) {
			age.ToHours = &hours[i+1]
		}
		list = append(list, age)
	}
	return list
}

// cohortCells are the cells of a cohort.
type cohortCells struct {
	start, end int64 // of the days with any cell, in Unix seconds
	name       string
	sent       map[string]int64
	ages       []map[string]int64 // in the order of ages
}

func newCohortCells(start int64) *cohortCells {
	c := &cohortCells{start: start, name: time.Unix(start, 0).UTC().Format(time.DateOnly), sent: map[string]int64{}}
	for range schemas.AgeHours() {
		c.ages = append(c.ages, map[string]int64{})
	}
	return c
}

// cohortCells reads the cells of all cohorts, in order, and their sum.
func (a *API) cohortCells(ctx context.Context, p *SentPeriod, by string) ([]*cohortCells, *cohortCells, error) {
	f := p.filter(a.cfg.Tenant, schemas.DimensionAge)
	columns := slices.Concat(cohortSent, cohortAged)
	byStart, all := map[int64]*cohortCells{}, newCohortCells(0)
	err := a.eachCell(ctx, "cohorts", f, []string{"toInt64(toUnixTimestamp(window_start)) AS day", "value"}, columns, func(rows driver.Rows) error {
		var day int64
		var value string
		counts := make([]int64, len(columns))
		into := []any{&day, &value}
		for i := range counts {
			into = append(into, &counts[i])
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		start := cohortStart(day, by)
		c := byStart[start]
		if c == nil {
			c = newCohortCells(start)
			byStart[start] = c
		}
		for _, to := range []*cohortCells{c, all} {
			if to.end == 0 || day < to.start {
				to.start = day
			}
			to.end = max(to.end, day+86400)
			if err := to.add(value, columns, counts); err != nil {
				return err
			}
		}
		return nil
	})
	list := make([]*cohortCells, 0, len(byStart))
	for _, c := range byStart {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *cohortCells) int { return cmp.Compare(a.start, b.start) })
	return list, all, err
}

// cohortStart is the first day of the cohort of a day.
func cohortStart(day int64, by string) int64 {
	t := time.Unix(day, 0).UTC()
	switch by {
	case "week":
		return t.AddDate(0, 0, -int(t.Weekday()+6)%7).Unix()
	case "month":
		return t.AddDate(0, 0, 1-t.Day()).Unix()
	default:
		return day
	}
}

func (c *cohortCells) add(value string, columns []string, counts []int64) error {
	to, names := c.sent, cohortSent
	if value != schemas.AgeSent {
		hours, err := strconv.ParseInt(value, 10, 64)
		at := slices.Index(schemas.AgeHours(), hours)
		if err != nil || at < 0 {
			return fmt.Errorf("no age begins at %q hours", value)
		}
		to, names = c.ages[at], cohortAged
	}
	for i, name := range columns {
		if slices.Contains(names, name) {
			to[name] += counts[i]
		}
	}
	return nil
}

// cohort makes the figures of the cells as of now.
func (c *cohortCells) cohort(now int64) Cohort {
	answer := Cohort{Start: &c.name, Sent: map[string]int64{}}
	for _, name := range cohortSent {
		answer.Sent[name] = c.sent[name]
	}
	whole := map[string]int64{}
	for _, counts := range c.ages {
		for _, name := range cohortFirst {
			whole[name] += counts[name]
		}
	}
	sum := map[string]int64{}
	for i, age := range ages() {
		at := CohortAge{FromHours: age.FromHours, State: c.state(age, now)}
		if at.State != AgeFuture {
			at.Counters, at.Cumulative, at.Decay = map[string]int64{}, map[string]*float64{}, map[string]*float64{}
			for _, name := range cohortAged {
				at.Counters[name] = c.ages[i][name]
			}
			for _, name := range cohortFirst {
				n := c.ages[i][name]
				sum[name] += n
				at.Cumulative[name] = shareOf(sum[name], c.sent["delivered"])
				if age.ToHours != nil {
					at.Decay[name] = shareOf(n, whole[name]*(*age.ToHours-age.FromHours))
				}
			}
		}
		answer.Ages = append(answer.Ages, at)
	}
	answer.HalfOpenedHours, answer.HalfClickedHours = c.half("human_opened", whole), c.half("human_clicked", whole)
	return answer
}

// state tells whether the messages have reached an age.
func (c *cohortCells) state(age Age, now int64) string {
	switch {
	case c.start+age.FromHours*3600 > now:
		return AgeFuture
	case age.ToHours == nil || c.end+*age.ToHours*3600 > now:
		return AgePartial
	default:
		return AgeComplete
	}
}

// half is the end of the age by which half of all there are so far had happened.
func (c *cohortCells) half(name string, whole map[string]int64) *int64 {
	sum := int64(0)
	for i, age := range ages() {
		if sum += c.ages[i][name]; whole[name] > 0 && 2*sum >= whole[name] {
			return age.ToHours
		}
	}
	return nil
}

// sheet has a row for each cohort and age.
func (c *Cohorts) sheet() sheet {
	s := sheet{name: "cohorts", columns: []sheetColumn{{"start", columnText}, {"messages", columnInteger}, {"delivered", columnInteger}, {"from_hours", columnInteger}, {"state", columnText}}}
	for _, name := range cohortAged {
		s.columns = append(s.columns, sheetColumn{name, columnInteger})
	}
	for _, name := range cohortFirst {
		s.columns = append(s.columns, sheetColumn{name + "_cumulative", columnReal}, sheetColumn{name + "_decay", columnReal})
	}
	for _, cohort := range c.Cohorts {
		for _, age := range cohort.Ages {
			row := []any{*cohort.Start, cohort.Sent["messages"], cohort.Sent["delivered"], age.FromHours, age.State}
			for _, name := range cohortAged {
				if age.Counters == nil {
					row = append(row, nil)
				} else {
					row = append(row, age.Counters[name])
				}
			}
			for _, name := range cohortFirst {
				row = append(row, realCell(age.Cumulative[name]), realCell(age.Decay[name]))
			}
			s.rows = append(s.rows, row)
		}
	}
	return s
}
