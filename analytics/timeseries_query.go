package analytics

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

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
		first, last, found, err := s.subject.extent(ctx, a, s.basis(), s.since, s.until)
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
	sums, err := s.bucketSums(ctx, a, s.basis(), edges)
	if err != nil {
		return err
	}
	for i, start := range edges[:len(edges)-1] {
		s.Buckets = append(s.Buckets, Bucket{Start: s.local(start), Seconds: edges[i+1] - start, Counted: counted(sums[start])})
	}
	return a.fillLate(ctx, s)
}

// fillLate sums what is in no window.
func (a *API) fillLate(ctx context.Context, s *seriesAsked) error {
	c, err := s.total(ctx, a, s.basis().Late())
	late := counted(c)
	s.Late = &late
	return err
}

// fillLifetime sums lifetimes. There is no bucket where there is no campaign.
func (a *API) fillLifetime(ctx context.Context, s *seriesAsked) error {
	if s.scope != ScopeTenant {
		return a.fillScopeLifetime(ctx, s)
	}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.add("basis = ?", schemas.BasisLifetime.String())
	if s.campaigns != nil {
		f.in("campaign_id", s.campaigns)
	}
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

// fillScopeLifetime sums the lifetime of an account, a source or a list. Its first
// and last event are known by their windows.
func (a *API) fillScopeLifetime(ctx context.Context, s *seriesAsked) error {
	c, err := s.total(ctx, a, schemas.BasisLifetime)
	if err != nil {
		return err
	}
	first, last, found, err := s.extent(ctx, a, schemas.BasisEventTime, 0, 0)
	if found {
		s.Buckets = []Bucket{{Start: s.local(first), Seconds: last + windowSeconds - first, Counted: counted(c)}}
	}
	return err
}
