package analytics

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Scopes of what is counted by windows.
const (
	ScopeTenant  = "tenant"
	ScopeAccount = "account"
	ScopeSource  = "source"
	ScopeList    = "list"
)

// subject is what is counted by windows: campaigns by id, or all of the tenant, or
// of one of its accounts, sources or lists.
type subject struct {
	scope     string
	id        string // of the account, source or list
	campaigns []string
}

// subjectParams are what subjectOf reads; a path with {id} is of a campaign and has
// none of them.
func subjectParams(r *http.Request) []string {
	if r.PathValue("id") != "" {
		return nil
	}
	return []string{"campaigns", "scope", "id"}
}

func subjectOf(r *http.Request) (s subject, err error) {
	s.scope = ScopeTenant
	if id := r.PathValue("id"); id != "" {
		s.campaigns = []string{id}
		return s, nil
	}
	if s.scope, err = oneOf(r, "scope", ScopeTenant, ScopeAccount, ScopeSource, ScopeList); err != nil {
		return s, err
	}
	if s.campaigns, err = campaignsOf(r); err != nil {
		return s, err
	}
	s.id = r.URL.Query().Get("id")
	switch {
	case s.scope == ScopeTenant && s.id != "":
		return s, badParam("id", "goes with scope=account, source or list")
	case s.scope != ScopeTenant && s.id == "":
		return s, badParam("id", "want the "+s.scope+" to count")
	case s.scope != ScopeTenant && s.campaigns != nil:
		return s, badParam("campaigns", "campaigns are counted over all of the tenant: leave out scope and id, or campaigns")
	}
	return s, nil
}

// known refuses what there is none of: zeros would say that nothing happened.
func (s subject) known(ctx context.Context, a *API) error {
	if s.scope == ScopeTenant {
		return a.knownCampaigns(ctx, s.campaigns)
	}
	f := s.filter(a.cfg.Tenant, schemas.BasisLifetime)
	var n uint64
	if err := a.cfg.Conn.QueryRow(ctx, "SELECT count() FROM breakdowns WHERE "+f.String(), f.args...).Scan(&n); err != nil {
		return fmt.Errorf("looking for a %s: %w", s.scope, err)
	}
	if n == 0 {
		return &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("no %s %q", s.scope, s.id)}
	}
	return nil
}

// filter returns what the sort keys serve of the table that has the subject.
func (s subject) filter(tenant string, basis schemas.Basis) (f filter) {
	f.add("tenant = ?", tenant)
	if s.campaigns != nil {
		f.add("basis = ?", basis.String())
		f.in("campaign_id", s.campaigns)
		return f
	}
	f.add("dimension = ?", s.scope)
	f.add("campaign_id = ''")
	f.add("value = ?", s.id)
	f.add("detail = ''")
	f.add("basis = ?", basis.String())
	return f
}

// in bounds a column to some texts.
func (f *filter) in(column string, texts []string) {
	args := make([]any, len(texts))
	for i, text := range texts {
		args[i] = text
	}
	f.add(column+" IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(args)), ", ")+")", args...)
}

// windows returns a query for window_start and counters of the windows of a basis
// that begin from since and before until, in Unix seconds; 0 is no bound. A window
// may be there several times: its rows are to be summed.
func (s subject) windows(tenant string, basis schemas.Basis, since, until int64, counters ...string) (query string, args []any) {
	f := s.filter(tenant, basis)
	f.between(since, until)
	if s.campaigns != nil {
		return newest(f, counters...), f.args
	}
	return "SELECT window_start, " + strings.Join(counters, ", ") + " FROM breakdowns WHERE " + f.String(), f.args
}

// extent returns the first and the last start of the windows of a basis between
// since and until with anything counted.
func (s subject) extent(ctx context.Context, a *API, basis schemas.Basis, since, until int64) (first, last int64, found bool, err error) {
	f := s.filter(a.cfg.Tenant, basis)
	f.between(since, until)
	table := "campaign_statistics"
	if s.campaigns == nil {
		table = "breakdowns"
	}
	if first, last, found, err = a.extentOf(ctx, table, f); err != nil || !found || s.campaigns != nil {
		return first, last, found, err
	}
	// A row of which nothing is left goes away when it is merged, sooner or later:
	// it must not count. Mostly the first and the last day have one that counts,
	// and not all windows need be added up.
	const near = 86400
	ends := filter{slices.Clone(f.conditions), slices.Clone(f.args)}
	ends.add("(window_start < fromUnixTimestamp(?) OR window_start > fromUnixTimestamp(?))", first+near, max(0, last-near))
	counted := func(f filter) string {
		return "(SELECT window_start FROM breakdowns WHERE " + f.String() + " GROUP BY window_start HAVING " + anyCounted + ")"
	}
	from, to, any, err := a.extentOf(ctx, counted(ends), filter{args: ends.args})
	if err != nil || any && from < first+near && to > last-near {
		return from, to, any, err
	}
	return a.extentOf(ctx, counted(f), filter{args: f.args})
}

// extentOf returns the first and the last window of a table or a query.
func (a *API) extentOf(ctx context.Context, from string, f filter) (first, last int64, found bool, err error) {
	query := "SELECT count(), toInt64(toUnixTimestamp(min(window_start))), toInt64(toUnixTimestamp(max(window_start))) FROM " + from
	if len(f.conditions) > 0 {
		query += " WHERE " + f.String()
	}
	var n uint64
	if err := a.cfg.Conn.QueryRow(ctx, query, f.args...).Scan(&n, &first, &last); err != nil {
		return 0, 0, false, fmt.Errorf("reading the extent of a series: %w", err)
	}
	return first, last, n > 0, nil
}

// anyCounted is the condition that any counter of a group of rows is not 0.
var anyCounted = "sum(" + strings.Join(counterNames, ") != 0 OR sum(") + ") != 0"

// bucketSums returns the sums of the buckets with any window, by start. The edges
// go with the query, so that one list of time zones is in charge and not the
// database's own besides; 5000 of them take 55 kB.
func (s subject) bucketSums(ctx context.Context, a *API, basis schemas.Basis, edges []int64) (map[int64]schemas.Counters, error) {
	windows, args := s.windows(a.cfg.Tenant, basis, edges[0], edges[len(edges)-1], counterNames...)
	starts := edges[:len(edges)-1]
	query := "SELECT toInt64(roundDown(toUnixTimestamp(window_start), " + numberList(starts) + ")) AS start, " + counterSums +
		"\nFROM (" + windows + ")\nGROUP BY start" + seriesSettings
	sums := make(map[int64]schemas.Counters, len(starts))
	err := a.each(ctx, "a series", query, args, func(rows driver.Rows) error {
		var start int64
		var c schemas.Counters
		err := rows.Scan(append([]any{&start}, counterFields(&c)...)...)
		sums[start] = c
		return err
	})
	return sums, err
}

// total sums all rows of a basis.
func (s subject) total(ctx context.Context, a *API, basis schemas.Basis) (c schemas.Counters, err error) {
	windows, args := s.windows(a.cfg.Tenant, basis, 0, 0, counterNames...)
	if err := a.cfg.Conn.QueryRow(ctx, "SELECT "+counterSums+" FROM ("+windows+")"+seriesSettings, args...).Scan(counterFields(&c)...); err != nil {
		return c, fmt.Errorf("reading totals of %s: %w", basis, err)
	}
	return c, nil
}

// numberList writes numbers as an array of a query.
func numberList(numbers []int64) string {
	b := make([]byte, 0, 12*len(numbers)+2)
	b = append(b, '[')
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Append(b, n)
	}
	return string(append(b, ']'))
}

// knownCampaigns refuses ids of which there is no campaign; nil is all.
func (a *API) knownCampaigns(ctx context.Context, ids []string) error {
	if ids == nil {
		return nil
	}
	f := subject{scope: ScopeTenant, campaigns: ids}.filter(a.cfg.Tenant, schemas.BasisLifetime)
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
	for _, id := range ids {
		if !slices.Contains(found, id) {
			return &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("no campaign %q", id)}
		}
	}
	return nil
}
