package analytics

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// TimeSeries is the course over time of one campaign, several, or all of a tenant,
// an account, a source or a list.
type TimeSeries struct {
	// Resolution is lifetime, day, hour or 5m.
	Resolution string `json:"resolution"`
	// Basis is event (each count at its event) or send (all counts of a message at
	// its send). It makes no difference to a lifetime.
	Basis string `json:"basis"`
	// TZ is the time zone in which days and hours begin and times are written.
	TZ string `json:"tz"`
	// Scope is tenant, account, source or list; ID the account, source or list.
	Scope string `json:"scope"`
	ID    string `json:"id,omitempty"`
	// Campaigns are those that are counted; null is all of the scope.
	Campaigns []string `json:"campaigns"`
	// Since and Until are the period that was asked for, in whole buckets: since
	// is moved down to where its bucket begins, until up to where its own ends.
	// Without one, the first or last window that was counted bounds the series.
	Since *time.Time `json:"since"`
	Until *time.Time `json:"until"`
	// Definitions tell how the rates of a bucket are made of its counters.
	Definitions []RateDefinition `json:"definitions"`
	// Buckets are in order and without gaps: where nothing was counted, all
	// counters are 0.
	Buckets []Bucket `json:"buckets"`
	// Total is the sum of the buckets.
	Total Counted `json:"total"`
	// Late is what came after its window was closed, ever: no bucket has it, and
	// since and until do not bound it. Counts that closed windows have too many
	// are negative. It is null for a lifetime, which counts it.
	Late *Counted `json:"late"`
}

// RateDefinition tells how a rate is made; see Rate.
type RateDefinition struct {
	Name        string `json:"name"`
	Formula     string `json:"formula"`
	Denominator string `json:"denominator"`
	Unit        string `json:"unit"`
	Mailjet     string `json:"mailjet,omitempty"`
}

// Bucket is one stretch of time.
type Bucket struct {
	// Start is local; of a lifetime the time of the first event.
	Start time.Time `json:"start"`
	// Seconds is the length: of a day 82800, 86400 or 90000 where the clock is set
	// by an hour. Of a lifetime it reaches to the last event.
	Seconds int64 `json:"seconds"`
	Counted
}

// Counted is what was counted and the rates that it makes, by name; a rate is null
// where its denominator is 0.
type Counted struct {
	Counters schemas.Counters    `json:"counters"`
	Rates    map[string]*float64 `json:"rates"`
}

func counted(c schemas.Counters) Counted {
	rates := make(map[string]*float64, 20)
	for _, r := range Rates(c) {
		rates[r.Name] = r.Value
	}
	return Counted{Counters: c, Rates: rates}
}

// rateDefinitions names the denominator too: what the formula divides by.
func rateDefinitions() []RateDefinition {
	var definitions []RateDefinition
	for _, r := range Rates(schemas.Counters{}) {
		_, denominator, _ := strings.Cut(r.Formula, " / ")
		denominator, _, _ = strings.Cut(denominator, " / ") // delays: / 1000
		definitions = append(definitions, RateDefinition{Name: r.Name, Formula: r.Formula, Denominator: denominator, Unit: r.Unit, Mailjet: r.Mailjet})
	}
	return definitions
}

const (
	// maxBuckets bounds a series: 13 years of days, 29 weeks of hours or 17 days
	// of five minutes, and about 6 MB of JSON.
	maxBuckets = 5000
	// maxCampaigns bounds those that are named at once.
	maxCampaigns = 100
)

// seriesAsked is what a request for a series wants.
type seriesAsked struct {
	TimeSeries
	subject
	grid
	since, until int64 // Unix seconds at edges of buckets; 0 is none
}

func (s *seriesAsked) basis() schemas.Basis {
	if s.Basis == "send" {
		return schemas.BasisSendTime
	}
	return schemas.BasisEventTime
}

// seriesAskedOf reads the parameters.
func (a *API) seriesAskedOf(r *http.Request) (s seriesAsked, err error) {
	if err := knownParams(r, append([]string{"resolution", "basis", "tz", "since", "until"}, subjectParams(r)...)...); err != nil {
		return s, err
	}
	if s.Resolution, err = oneOf(r, "resolution", ResolutionDay, ResolutionHour, Resolution5m, ResolutionLifetime); err != nil {
		return s, err
	}
	if s.Basis, err = oneOf(r, "basis", "event", "send"); err != nil {
		return s, err
	}
	if s.TZ, s.loc, err = a.zoneOf(r); err != nil {
		return s, err
	}
	s.grid.resolution = s.Resolution
	if s.subject, err = subjectOf(r); err != nil {
		return s, err
	}
	s.Scope, s.ID, s.Campaigns = s.scope, s.id, s.campaigns
	return s, s.readPeriod(r)
}

// campaignsOf reads the ids of campaigns, by commas or repeated; nil is all.
func campaignsOf(r *http.Request) ([]string, error) {
	var ids []string
	for _, list := range r.URL.Query()["campaigns"] {
		for id := range strings.SplitSeq(list, ",") {
			if id = strings.TrimSpace(id); id == "" {
				return nil, badParam("campaigns", "want ids as 7340112,7340113, or leave it out for all")
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids) // One that is named twice counts once.
	if len(ids) > maxCampaigns {
		return nil, badParam("campaigns", fmt.Sprintf("%d are too many: want at most %d, or leave it out for all", len(ids), maxCampaigns))
	}
	return ids, nil
}

// lastTime is the last second that the windows' column can hold (in 2106).
const lastTime = 1<<32 - 1

func (s *seriesAsked) readPeriod(r *http.Request) error {
	for _, bound := range []struct {
		name  string
		edge  func(int64) int64
		unix  *int64
		shown **time.Time
	}{{"since", s.floor, &s.since, &s.Since}, {"until", s.ceil, &s.until, &s.Until}} {
		t, err := timeOf(r, bound.name, s.loc)
		switch {
		case err != nil:
			return err
		case t.IsZero():
			continue
		case s.Resolution == ResolutionLifetime:
			return badParam(bound.name, "a lifetime has no period: leave it out, or take resolution=day, hour or 5m")
		}
		edge := bound.edge(t.Unix())
		if t.Nanosecond() > 0 && bound.name == "until" {
			edge = s.ceil(t.Unix() + 1)
		}
		if edge < 1 || edge > lastTime {
			return badParam(bound.name, "want a time from 1970-01-02 to 2106-01-31")
		}
		local := s.local(edge)
		*bound.unix, *bound.shown = edge, &local
	}
	if s.Since != nil && s.Until != nil && s.since >= s.until {
		return badParam("until", "must be later than since")
	}
	return nil
}

// timeSeries answers with a series.
func (a *API) timeSeries(ctx context.Context, r *http.Request) (TimeSeries, error) {
	s, err := a.seriesAskedOf(r)
	if err != nil {
		return s.TimeSeries, err
	}
	s.Definitions, s.Buckets = rateDefinitions(), []Bucket{}
	if err := s.known(ctx, a); err != nil {
		return s.TimeSeries, err
	}
	if s.Resolution == ResolutionLifetime {
		err = a.fillLifetime(ctx, &s)
	} else {
		err = a.fillBuckets(ctx, &s)
	}
	var total schemas.Counters
	for i := range s.Buckets {
		total.Add(&s.Buckets[i].Counters)
	}
	s.Total = counted(total)
	return s.TimeSeries, err
}
