package analytics

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// filter returns what the sort key of campaign_statistics serves: the tenant, the
// campaigns and the basis.
func (s *seriesAsked) filter(tenant string, basis schemas.Basis) (f filter) {
	f.add("tenant = ?", tenant)
	if s.Campaigns != nil {
		ids := make([]any, len(s.Campaigns))
		for i, id := range s.Campaigns {
			ids[i] = id
		}
		f.add("campaign_id IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(ids)), ", ")+")", ids...)
	}
	f.add("basis = ?", basis.String())
	return f
}

// between bounds the windows to those that begin from since and before until, in
// Unix seconds.
func (f *filter) between(since, until int64) {
	if since > 0 {
		f.add("window_start >= fromUnixTimestamp(?)", since)
	}
	if until > 0 {
		f.add("window_start < fromUnixTimestamp(?)", until)
	}
}

// knownCampaigns refuses a named campaign that there is none of: zeros would say
// that nothing happened.
func (a *API) knownCampaigns(ctx context.Context, s *seriesAsked) error {
	if s.Campaigns == nil {
		return nil
	}
	f := s.filter(a.cfg.Tenant, schemas.BasisLifetime)
	var found []string
	err := a.each(ctx, "campaigns", "SELECT DISTINCT campaign_id FROM campaign_statistics WHERE "+f.String(), f.args, func(rows driver.Rows) error {
		var id string
		err := rows.Scan(&id)
		found = append(found, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range s.Campaigns {
		if !slices.Contains(found, id) {
			return &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("no campaign %q", id)}
		}
	}
	return nil
}

// newest is a query for the latest version of each row that a filter leaves. The
// key of a row is the end of the sort key, so that it is aggregated as it is read,
// a row at a time, and the memory does not grow with the number of windows.
func newest(f filter, columns ...string) string {
	return "SELECT window_start, " + latest(columns...) + " FROM campaign_statistics AS s WHERE " + f.String() + " GROUP BY tenant, campaign_id, basis, window_start"
}

// seriesSettings is for queries over newest.
const seriesSettings = " SETTINGS optimize_aggregation_in_order = 1"

// counterNames are the columns of all counters, counterSums their sums.
var (
	counterNames = strings.Fields(counterColumns)
	counterSums  = "sum(" + strings.Join(counterNames, "), sum(") + ")"
)

// fillBuckets sums the windows of each bucket.
func (a *API) fillBuckets(ctx context.Context, s *seriesAsked) error {
	from, to := s.since, s.until
	if from == 0 || to == 0 {
		first, last, found, err := a.extent(ctx, s)
		if err != nil {
			return err
		}
		if !found {
			return a.fillLate(ctx, s)
		}
		if from == 0 {
			from = s.floor(first)
		}
		if to == 0 {
			to = s.next(s.floor(last))
		}
	}
	edges, ok := s.edges(from, to, maxBuckets)
	if !ok {
		return badParam("resolution", fmt.Sprintf("%s makes more than %d buckets from %s to %s: take a coarser one, or a shorter period by since and until",
			s.Resolution, maxBuckets, s.local(from).Format(time.RFC3339), s.local(to).Format(time.RFC3339)))
	}
	sums, err := a.bucketSums(ctx, s, edges)
	if err != nil {
		return err
	}
	for i, start := range edges[:len(edges)-1] {
		s.Buckets = append(s.Buckets, Bucket{Start: s.local(start), Seconds: edges[i+1] - start, Counted: counted(sums[start])})
	}
	return a.fillLate(ctx, s)
}

// extent returns the first and the last start of the windows that are asked for.
func (a *API) extent(ctx context.Context, s *seriesAsked) (first, last int64, found bool, err error) {
	f := s.filter(a.cfg.Tenant, s.basis())
	f.between(s.since, s.until)
	var n uint64
	err = a.cfg.Conn.QueryRow(ctx, `SELECT count(), toInt64(toUnixTimestamp(min(window_start))), toInt64(toUnixTimestamp(max(window_start)))
FROM campaign_statistics WHERE `+f.String(), f.args...).Scan(&n, &first, &last)
	if err != nil {
		return 0, 0, false, fmt.Errorf("reading the extent of a series: %w", err)
	}
	return first, last, n > 0, nil
}

// bucketSums returns the sums of the buckets with any window, by start. The edges
// go with the query, so that one list of time zones is in charge and not the
// database's own besides; 5000 of them take 55 kB.
func (a *API) bucketSums(ctx context.Context, s *seriesAsked, edges []int64) (map[int64]schemas.Counters, error) {
	f := s.filter(a.cfg.Tenant, s.basis())
	f.between(edges[0], edges[len(edges)-1])
	starts := make([]string, len(edges)-1)
	for i := range starts {
		starts[i] = strconv.FormatInt(edges[i], 10)
	}
	query := "SELECT toInt64(roundDown(toUnixTimestamp(window_start), [" + strings.Join(starts, ",") + "])) AS start, " + counterSums +
		"\nFROM (" + newest(f, counterNames...) + ")\nGROUP BY start" + seriesSettings
	sums := make(map[int64]schemas.Counters, len(starts))
	err := a.each(ctx, "a series", query, f.args, func(rows driver.Rows) error {
		var start int64
		var c schemas.Counters
		err := rows.Scan(append([]any{&start}, counterFields(&c)...)...)
		sums[start] = c
		return err
	})
	return sums, err
}

// fillLate sums what is in no window.
func (a *API) fillLate(ctx context.Context, s *seriesAsked) error {
	f := s.filter(a.cfg.Tenant, s.basis().Late())
	var c schemas.Counters
	if err := a.cfg.Conn.QueryRow(ctx, "SELECT "+counterSums+" FROM ("+newest(f, counterNames...)+")"+seriesSettings, f.args...).Scan(counterFields(&c)...); err != nil {
		return fmt.Errorf("reading late counts: %w", err)
	}
	late := counted(c)
	s.Late = &late
	return nil
}

// fillLifetime sums lifetimes. There is no bucket where there is no campaign.
func (a *API) fillLifetime(ctx context.Context, s *seriesAsked) error {
	f := s.filter(a.cfg.Tenant, schemas.BasisLifetime)
	var n uint64
	var first, last time.Time
	var c schemas.Counters
	err := a.cfg.Conn.QueryRow(ctx, "SELECT count(), min(first_event_at), max(last_event_at), "+counterSums+
		" FROM ("+newest(f, append([]string{"first_event_at", "last_event_at"}, counterNames...)...)+")"+seriesSettings, f.args...).
		Scan(append([]any{&n, &first, &last}, counterFields(&c)...)...)
	if err != nil {
		return fmt.Errorf("reading lifetimes: %w", err)
	}
	if n > 0 {
		s.Buckets = []Bucket{{Start: first.In(s.loc), Seconds: int64(last.Sub(first).Seconds()), Counted: counted(c)}}
	}
	return nil
}
