package analytics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// HeatMap counts by the hours of a week on the local clock.
type HeatMap struct {
	// Basis is send (all counts of a message at its send: rates by hour of sending)
	// or event (each count at its event: when people open and click).
	Basis string `json:"basis"`
	TZ    string `json:"tz"`
	// Scope is tenant, account, source or list; ID the account, source or list.
	Scope string `json:"scope"`
	ID    string `json:"id,omitempty"`
	// Campaigns are those that are counted; null is all of the scope.
	Campaigns []string `json:"campaigns"`
	// Since and Until are the period in whole hours; without one that was asked
	// for, the first or last window that was counted bounds it. They are null
	// where nothing was counted.
	Since       *time.Time       `json:"since"`
	Until       *time.Time       `json:"until"`
	Definitions []RateDefinition `json:"definitions"`
	// Cells are the 168 hours of a week from Monday 00:00.
	Cells []HeatCell `json:"cells"`
	Total Counted    `json:"total"`
	// Late is in no cell: see TimeSeries.
	Late Counted `json:"late"`
}

// HeatCell is an hour of the week on the local clock. An hour that the clock shows
// twice counts both times.
type HeatCell struct {
	Weekday int `json:"weekday"` // 1 is Monday, 7 Sunday
	Hour    int `json:"hour"`
	Counted
}

const hoursOfWeek = 7 * 24

// heatMapAsked is what a request for a heat map wants.
func (a *API) heatMapAsked(r *http.Request) (s seriesAsked, err error) {
	if err := knownParams(r, append([]string{"basis", "tz", "since", "until"}, subjectParams(r)...)...); err != nil {
		return s, err
	}
	if s.Basis, err = oneOf(r, "basis", "send", "event"); err != nil {
		return s, err
	}
	if s.TZ, s.loc, err = a.zoneOf(r); err != nil {
		return s, err
	}
	s.grid.resolution = ResolutionHour
	if s.subject, err = subjectOf(r); err != nil {
		return s, err
	}
	return s, s.readPeriod(r)
}

// heatMap answers with the hours of the week.
func (a *API) heatMap(ctx context.Context, r *http.Request) (HeatMap, error) {
	s, err := a.heatMapAsked(r)
	m := HeatMap{Basis: s.Basis, TZ: s.TZ, Scope: s.scope, ID: s.id, Campaigns: s.campaigns, Definitions: rateDefinitions()}
	if err != nil {
		return m, err
	}
	if err := s.known(ctx, a); err != nil {
		return m, err
	}
	from, to := s.since, s.until
	found := true
	if from == 0 || to == 0 {
		var first, last int64
		if first, last, found, err = s.extent(ctx, a, s.basis(), s.since, s.until); err != nil {
			return m, err
		}
		if from == 0 {
			from = s.floor(first)
		}
		if to == 0 {
			to = s.next(s.floor(last))
		}
	}
	var sums [hoursOfWeek]schemas.Counters
	if found {
		since, until := s.local(from), s.local(to)
		m.Since, m.Until = &since, &until
		if err := s.hourSums(ctx, a, from, to, &sums); err != nil {
			return m, err
		}
	}
	var total schemas.Counters
	for i := range sums {
		total.Add(&sums[i])
		m.Cells = append(m.Cells, HeatCell{Weekday: 1 + i/24, Hour: i % 24, Counted: counted(sums[i])})
	}
	m.Total = counted(total)
	late, err := s.total(ctx, a, s.basis().Late())
	m.Late = counted(late)
	return m, err
}

// hourSums adds the windows of a period by the hour of the week. The changes of the
// zone's offset go with the query, so that one list of time zones is in charge.
func (s *seriesAsked) hourSums(ctx context.Context, a *API, from, to int64, sums *[hoursOfWeek]schemas.Counters) error {
	windows, args := s.windows(a.cfg.Tenant, s.basis(), from, to, counterNames...)
	starts, offsets := s.offsets(from, to)
	at := "toInt64(toUnixTimestamp(window_start))"
	local := fmt.Sprint(at, " + toInt64(", offsets[0], ")")
	if len(starts) > 1 {
		local = fmt.Sprint(at, " + transform(toInt64(roundDown(", at, ", ", numberList(starts), ")), ", numberList(starts), ", ", numberList(offsets), ", toInt64(0))")
	}
	// The first of January 1970 was a Thursday.
	query := "SELECT toInt64(positiveModulo(intDiv(" + local + ", 3600) + 72, 168)) AS hour, " + counterSums +
		"\nFROM (" + windows + ")\nGROUP BY hour" + seriesSettings
	return a.each(ctx, "hours of the week", query, args, func(rows driver.Rows) error {
		var hour int64
		var c schemas.Counters
		if err := rows.Scan(append([]any{&hour}, counterFields(&c)...)...); err != nil {
			return err
		}
		if hour < 0 || hour >= hoursOfWeek {
			return fmt.Errorf("hour %d of a week", hour)
		}
		sums[hour] = c
		return nil
	})
}

// sheet has a row for each hour of the week.
func (m *HeatMap) sheet() sheet {
	s := sheet{name: "heatmap", columns: append(append([]sheetColumn{{"weekday", columnInteger}, {"hour", columnInteger}}, counterSheetColumns()...), rateSheetColumns()...)}
	for _, c := range m.Cells {
		s.rows = append(s.rows, append([]any{int64(c.Weekday), int64(c.Hour)}, c.cells()...))
	}
	return s
}
