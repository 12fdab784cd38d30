package analytics

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// someCounters makes counts that may be corrections.
func someCounters(rng *rand.Rand) (c schemas.Counters) {
	for _, f := range counterFields(&c) {
		*f.(*int64) = rng.Int64N(60) - 4
	}
	return c
}

// truth is what a test has counted: the last snapshot of each window.
type truth map[truthKey]schemas.Counters

type truthKey struct {
	campaign string
	basis    schemas.Basis
	window   int64
}

// course computes by brute force what a series must hold: each five minutes from
// the first window to the last, put into the bucket that the local clock names.
func (tr truth) course(loc *time.Location, resolution string, basis schemas.Basis, campaigns map[string]bool) (buckets []Bucket) {
	label := func(at int64) string {
		switch local := time.Unix(at, 0).In(loc); resolution {
		case ResolutionDay:
			return local.Format("2006-01-02")
		case ResolutionHour:
			return local.Format("2006-01-02 15 -07:00")
		default:
			return strconv.FormatInt(at, 10)
		}
	}
	sums := map[string]*schemas.Counters{}
	first, last := int64(1<<62), int64(0)
	for k, c := range tr {
		if k.basis != basis || campaigns != nil && !campaigns[k.campaign] {
			continue
		}
		first, last = min(first, k.window), max(last, k.window)
		sum := sums[label(k.window)]
		if sum == nil {
			sum = &schemas.Counters{}
			sums[label(k.window)] = sum
		}
		sum.Add(&c)
	}
	if len(sums) == 0 {
		return nil
	}
	for label(first-300) == label(first) {
		first -= 300
	}
	for label(last+300) == label(last) {
		last += 300
	}
	for at := first; at <= last; at += 300 {
		if n := len(buckets); n > 0 && label(at) == label(at-300) {
			buckets[n-1].Seconds += 300
			continue
		}
		b := Bucket{Start: time.Unix(at, 0).In(loc), Seconds: 300}
		if sum := sums[label(at)]; sum != nil {
			b.Counters = *sum
		}
		buckets = append(buckets, b)
	}
	return buckets
}

func (tr truth) sum(basis schemas.Basis, campaigns map[string]bool) (c schemas.Counters) {
	for k, counts := range tr {
		if k.basis == basis && (campaigns == nil || campaigns[k.campaign]) {
			c.Add(&counts)
		}
	}
	return c
}

// randomWindows writes windows of four campaigns in some days from each of the
// dates, half of them more than once, and late and lifetime totals.
func randomWindows(rng *rand.Rand, dates []string) (truth, []schemas.Record) {
	tr, recs := truth{}, []schemas.Record(nil)
	put := func(campaign string, basis schemas.Basis, at int64) {
		for range 1 + rng.IntN(2) {
			c := someCounters(rng)
			tr[truthKey{campaign, basis, at}] = c
			window := time.Time{}
			if at > 0 {
				window = time.Unix(at, 0)
			}
			recs = append(recs, stats(campaign, basis, window, c))
		}
	}
	for _, campaign := range []string{"a", "b", "c/d", "-"} {
		for _, basis := range []schemas.Basis{schemas.BasisEventTime, schemas.BasisSendTime} {
			for _, date := range dates {
				day, _ := time.Parse(time.DateOnly, date)
				for range 40 {
					put(campaign, basis, day.Unix()+300*rng.Int64N(3*288))
				}
			}
			if campaign != "b" {
				put(campaign, basis.Late(), 0)
			}
		}
		put(campaign, schemas.BasisLifetime, 0)
	}
	foreign := stats("a", schemas.BasisEventTime, time.Unix(1767225600, 0), someCounters(rng))
	foreign.Tenant = "other"
	return tr, append(recs, foreign)
}

// TestSeriesEqualsReference compares the series of random windows around changes of
// the clock with those of course, in each zone at each of its own changes and at one
// of another's. Older snapshots are written last; cells of the tenant and of an
// account are changes, some taken back.
func TestSeriesEqualsReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 3))
	compared := map[string]int{}
	conn := migrated(t)
	for _, dates := range [][]string{
		{"2026-03-06"}, {"2026-03-28"}, // America, Europe forward
		{"2026-10-24", "2026-10-31"},   // Europe, America back
		{"2026-04-03"}, {"2026-10-02"}, // Lord Howe, Chatham
		{"2018-11-02"}, {"2018-02-16"}, // São Paulo: no midnight, then one twice
		{"2011-12-28"}, {"2025-10-31", "2025-11-05"}, // Apia lost a day; Havana
	} {
		for _, table := range []string{"campaign_statistics", "breakdowns"} {
			if err := conn.Exec(t.Context(), "TRUNCATE TABLE "+table); err != nil {
				t.Fatal(err)
			}
		}
		tr, recs := randomWindows(rng, dates)
		half := len(recs) / 2
		fillFrom(t, conn, schemas.TopicStatistics, half, recs[half:]...)
		fillFrom(t, conn, schemas.TopicStatistics, 0, recs[:half]...)
		fillCells(t, conn, tr.cells(rng)...)
		api := NewAPI(APIConfig{Conn: conn})
		for _, name := range testZones {
			if !changes(zone(t, name), dates) && rng.IntN(8) > 0 {
				continue
			}
			basis := []string{"event", "send"}[compared[name]%2]
			compared[name]++
			compareSeries(t, rng, api, tr, name, basis)
		}
	}
	for _, name := range testZones {
		if compared[name] == 0 && name != "UTC" && name != "Asia/Kathmandu" && name != "Asia/Tehran" && name != "Africa/Casablanca" {
			t.Errorf("%s was not compared", name)
		}
	}
}

// changes tells whether a zone's clock is set within the three days from any of the
// dates.
func changes(loc *time.Location, dates []string) bool {
	for _, date := range dates {
		day, _ := time.Parse(time.DateOnly, date)
		if g := (grid{"", loc}); g.offset(day.Unix()) != g.offset(day.Unix()+3*86400) {
			return true
		}
	}
	return false
}

// cells are changes that sum up to the truth, of the tenant and of the account x,
// which has campaign a only.
func (tr truth) cells(rng *rand.Rand) (cells []madeCell) {
	for k, c := range tr {
		for _, scope := range []string{ScopeTenant, ScopeAccount} {
			to := madeCell{dimension: scope, basis: k.basis, window: max(0, k.window)}
			if scope == ScopeAccount {
				if to.value = "x"; k.campaign != "a" {
					continue
				}
			}
			taken, left := someCounters(rng), c
			for i, n := range counterValues(&taken) {
				*counterFields(&left)[i].(*int64) -= n
			}
			for _, part := range []schemas.Counters{taken, left} {
				to.counts = part
				cells = append(cells, to)
			}
		}
	}
	return cells
}

func compareSeries(t *testing.T, rng *rand.Rand, api *API, tr truth, name, basis string) {
	t.Helper()
	code := map[string]schemas.Basis{"event": schemas.BasisEventTime, "send": schemas.BasisSendTime}[basis]
	subjects := []struct {
		path      string
		campaigns map[string]bool
	}{
		{"/v1/series?", nil},
		{"/v1/series?campaigns=a,b&", map[string]bool{"a": true, "b": true}},
		{"/v1/series?campaigns=a&campaigns=-&", map[string]bool{"a": true, "-": true}},
		{"/v1/campaigns/c%2Fd/series?", map[string]bool{"c/d": true}},
		{"/v1/series?scope=account&id=x&", map[string]bool{"a": true}},
	}
	for _, resolution := range []string{ResolutionDay, ResolutionHour, Resolution5m} {
		if resolution == Resolution5m && rng.IntN(8) > 0 {
			continue // They are large, and alike in all zones.
		}
		asked := subjects[rng.IntN(len(subjects))]
		path := asked.path + url.Values{"resolution": {resolution}, "basis": {basis}, "tz": {name}}.Encode()
		var s TimeSeries
		ask(t, api, path, &s)
		equalBuckets(t, path, s.Buckets, tr.course(zone(t, name), resolution, code, asked.campaigns))
		if want := tr.sum(code.Late(), asked.campaigns); s.Late == nil || s.Late.Counters != want {
			t.Errorf("%s: late %+v, want %+v", path, s.Late, want)
		}
		if want := tr.sum(code, asked.campaigns); s.Total.Counters != want {
			t.Errorf("%s: total %+v, want %+v", path, s.Total.Counters, want)
		}
		if rng.IntN(8) == 0 {
			csvEqualsJSON(t, api, path, s)
		}
	}
}

func equalBuckets(t *testing.T, path string, got, want []Bucket) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d buckets, want %d", path, len(got), len(want))
		return
	}
	for i, w := range want {
		g := got[i]
		if g.Start.Format(time.RFC3339) != w.Start.Format(time.RFC3339) || g.Seconds != w.Seconds || g.Counters != w.Counters {
			t.Errorf("%s: bucket %d is %+v, want %+v", path, i, g, w)
			return
		}
		for _, r := range Rates(w.Counters) {
			if !reflect.DeepEqual(g.Rates[r.Name], r.Value) {
				t.Errorf("%s: bucket %d: %s differs", path, i, r.Name)
			}
		}
	}
}

// csvEqualsJSON asks the same as CSV and compares each cell.
func csvEqualsJSON(t *testing.T, api *API, path string, s TimeSeries) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", "text/csv")
	api.ServeHTTP(w, r)
	table, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || w.Code != 200 {
		t.Fatalf("%s: %d %v", path, w.Code, err)
	}
	rows := len(s.Buckets)
	if s.Late != nil {
		rows++
	}
	if len(table) != rows+1 {
		t.Fatalf("%s: %d rows, want %d", path, len(table), rows+1)
	}
	for i, row := range table[1:] {
		want := map[string]string{"part": "late", "start": "", "seconds": ""}
		c := s.Late
		if i < len(s.Buckets) {
			b := s.Buckets[i]
			c, want = &b.Counted, map[string]string{"part": "bucket", "start": b.Start.Format(time.RFC3339Nano), "seconds": fmt.Sprint(b.Seconds)}
		}
		var counters map[string]json.Number
		text, _ := json.Marshal(c.Counters)
		if err := json.Unmarshal(text, &counters); err != nil {
			t.Fatal(err)
		}
		for name, n := range counters {
			want[name] = n.String()
		}
		for name, v := range c.Rates {
			if want[name+"_rate"] = ""; v != nil {
				want[name+"_rate"] = strconv.FormatFloat(*v, 'g', -1, 64)
			}
		}
		if len(row) != len(want) {
			t.Fatalf("%s: %d cells, want %d", path, len(row), len(want))
		}
		for j, name := range table[0] {
			if row[j] != want[name] {
				t.Fatalf("%s: row %d: %s is %q, want %q", path, i, name, row[j], want[name])
			}
		}
	}
}

// TestSeriesPeriod: since and until move to the edges of buckets, and make a whole
// grid of zeros where both are given.
func TestSeriesPeriod(t *testing.T) {
	conn := migrated(t)
	at := func(text string) time.Time { return time.Unix(unix(t, text), 0) }
	life := stats("a", schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 9, Opens: 4})
	life.FirstEventAt, life.LastEventAt = schemas.FromTime(at("2026-10-24T10:00:00Z")), schemas.FromTime(at("2026-10-26T10:00:01Z"))
	empty := stats("empty", schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 1})
	empty.FirstEventAt, empty.LastEventAt = life.FirstEventAt, life.LastEventAt
	windows := []*schemas.CampaignStatistics{
		stats("a", schemas.BasisEventTime, at("2026-10-24T21:55:00Z"), schemas.Counters{Opens: 1}),
		stats("a", schemas.BasisEventTime, at("2026-10-24T22:00:00Z"), schemas.Counters{Opens: 2}),
		stats("a", schemas.BasisEventTime, at("2026-10-25T22:55:00Z"), schemas.Counters{Opens: 4}),
		stats("a", schemas.BasisEventTime, at("2026-10-25T23:00:00Z"), schemas.Counters{Opens: 8}),
	}
	fill(t, conn, schemas.TopicStatistics, life, empty, windows[0], windows[1], windows[2], windows[3])
	fillCells(t, conn, scopeCells(windows...)...)
	// Of what was taken back whole, whether merged or not, nothing is shown.
	undone := stats("", schemas.BasisEventTime, at("2027-10-25T23:00:00Z"), schemas.Counters{Opens: 8})
	fillCells(t, conn, scopeCells(undone)...)
	undone.Counters.Opens = -8
	fillCells(t, conn, scopeCells(undone)...)
	api := NewAPI(APIConfig{Conn: conn})
	for query, want := range map[string]string{
		"":                                    "10-24T00:00+02:00/86400=1 10-25T00:00+02:00/90000=6 10-26T00:00+01:00/86400=8",
		"since=2026-10-25T12:00:00Z":          "10-25T00:00+02:00/90000=6 10-26T00:00+01:00/86400=8",
		"until=2026-10-25":                    "10-24T00:00+02:00/86400=1",
		"until=2026-10-25T00:00:00.5%2B02:00": "10-24T00:00+02:00/86400=1 10-25T00:00+02:00/90000=6",
		"since=2026-10-22&until=2026-10-24":   "10-22T00:00+02:00/86400=0 10-23T00:00+02:00/86400=0",
		"since=2027-01-01":                    "",
		"since=2026-10-25&until=2026-10-25T05:00:00Z":                                         "10-25T00:00+02:00/90000=6",
		"resolution=hour&since=2026-10-26T00:30:00%2B01:00&until=2026-10-26T01:00:00%2B01:00": "10-26T00:00+01:00/3600=8",
		"resolution=lifetime": "10-24T12:00+02:00/172801=4",
		"campaigns=empty":     "",
		"campaigns=empty,empty&since=2026-10-22&until=2026-10-23&basis=send": "10-22T00:00+02:00/86400=0",
	} {
		var s TimeSeries
		ask(t, api, "/v1/series?tz=Europe/Paris&"+query, &s)
		var got []string
		for _, b := range s.Buckets {
			got = append(got, fmt.Sprint(b.Start.Format("01-02T15:04Z07:00"), "/", b.Seconds, "=", b.Counters.Opens))
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s:\n got %s\nwant %s", query, g, want)
		}
		if lifetime := s.Resolution == ResolutionLifetime; (s.Late == nil) != lifetime {
			t.Errorf("%s: late %+v", query, s.Late)
		}
		csvEqualsJSON(t, api, "/v1/series?tz=Europe/Paris&"+query, s)
	}
	for _, d := range rateDefinitions() {
		if c := "," + strings.Join(counterNames, ",") + ","; !strings.Contains(c, ","+d.Denominator+",") {
			t.Errorf("%s: denominator %q is no counter", d.Name, d.Denominator)
		}
	}
}

func TestSeriesProblems(t *testing.T) {
	conn := migrated(t)
	known(t, conn, "a")
	fillCells(t, conn, scopeCells(
		stats("a", schemas.BasisEventTime, time.Unix(unix(t, "2026-01-01T00:00:00Z"), 0), schemas.Counters{Opens: 1}),
		stats("a", schemas.BasisEventTime, time.Unix(unix(t, "2026-02-01T00:00:00Z"), 0), schemas.Counters{Opens: 1}))...)
	api := NewAPI(APIConfig{Conn: conn})
	many := strings.Repeat("x,", maxCampaigns)
	for _, c := range []struct {
		path   string
		status int
		param  string
	}{
		{"/v1/campaigns/none/series", 404, ""},
		{"/v1/series?campaigns=a,none", 404, ""},
		{"/v1/campaigns/a/series?campaigns=a", 400, "campaigns"},
		{"/v1/series?campaign=a", 400, "campaign"},
		{"/v1/campaigns/a/series?scope=tenant", 400, "scope"},
		{"/v1/series?scope=campaign", 400, "scope"},
		{"/v1/series?scope=account", 400, "id"},
		{"/v1/series?id=x", 400, "id"},
		{"/v1/series?scope=list&id=x&campaigns=a", 400, "campaigns"},
		{"/v1/series?scope=list&id=none", 404, ""},
		{"/v1/series?campaigns=a,,b", 400, "campaigns"},
		{"/v1/series?campaigns=", 400, "campaigns"},
		{"/v1/series?campaigns=" + numbers(maxCampaigns+1), 400, "campaigns"},
		{"/v1/series?campaigns=" + many + "x", 404, ""},
		{"/v1/series?resolution=week", 400, "resolution"},
		{"/v1/series?basis=event_time", 400, "basis"},
		{"/v1/series?tz=Mars/Olympus", 400, "tz"},
		{"/v1/series?tz=Local", 400, "tz"},
		{"/v1/series?format=xml", 400, "format"},
		{"/v1/series?since=yesterday", 400, "since"},
		{"/v1/series?until=2150-01-01", 400, "until"},
		{"/v1/series?since=2026-01-02&until=2026-01-02", 400, "until"},
		{"/v1/series?resolution=lifetime&since=2026-01-02", 400, "since"},
		{"/v1/series?resolution=5m", 400, "resolution"},
		{"/v1/series?resolution=5m&format=csv", 400, "resolution"},
		{"/v1/series?since=1980-01-01&until=2100-01-01", 400, "resolution"},
	} {
		w := ask(t, api, c.path, nil)
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Param != c.param {
			t.Errorf("%.80s: %d %s", c.path, w.Code, w.Body)
		}
	}
	// As many as there may be.
	var s TimeSeries
	ask(t, api, "/v1/series?resolution=5m&since=2026-01-01&until=2026-01-18T08:40:00Z", &s)
	if len(s.Buckets) != maxBuckets {
		t.Errorf("%d buckets", len(s.Buckets))
	}
	for _, table := range []string{"campaign_statistics", "breakdowns"} {
		if err := conn.Exec(t.Context(), "DROP TABLE "+table); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{"", "?resolution=lifetime", "?campaigns=a", "?scope=account&id=x", "?format=csv", "?since=2026-01-01&until=2026-01-02"} {
		if w := ask(t, api, "/v1/series"+query, nil); w.Code != 503 {
			t.Errorf("%s without its table: %d %s", query, w.Code, w.Body)
		}
	}
}

func numbers(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	return strings.Join(all, ",")
}

// TestSeriesOfScopes: an account, a source and a list have their own cells, whose
// lifetime reaches over the windows with any event; the zone is the tenant's.
func TestSeriesOfScopes(t *testing.T) {
	conn := migrated(t)
	at := unix(t, "2026-10-24T22:30:00Z")
	for i, scope := range []string{ScopeAccount, ScopeSource, ScopeList} {
		n := schemas.Counters{Messages: int64(i) + 1}
		fillCells(t, conn,
			madeCell{dimension: scope, value: "x", basis: schemas.BasisLifetime, counts: n},
			madeCell{dimension: scope, value: "x", basis: schemas.BasisEventTime, window: at, counts: n},
			madeCell{dimension: scope, value: "x", basis: schemas.BasisSendTimeLate, counts: n},
			madeCell{dimension: scope, value: "y", basis: schemas.BasisEventTime, window: at + 3600, counts: n})
	}
	api := NewAPI(APIConfig{Conn: conn, TimeZone: zone(t, "Europe/Paris")})
	for i, scope := range []string{ScopeAccount, ScopeSource, ScopeList} {
		var s, life, sent TimeSeries
		ask(t, api, "/v1/series?id=x&scope="+scope, &s)
		if n := len(s.Buckets); n != 1 || s.TZ != "Europe/Paris" || s.Scope != scope || s.ID != "x" || s.Campaigns != nil {
			t.Fatalf("%s: %+v", scope, s)
		}
		if b := s.Buckets[0]; b.Start.Format(time.RFC3339) != "2026-10-25T00:00:00+02:00" || b.Counters.Messages != int64(i)+1 {
			t.Errorf("%s: %+v", scope, b)
		}
		ask(t, api, "/v1/series?resolution=lifetime&id=x&scope="+scope, &life)
		if b := life.Buckets; len(b) != 1 || b[0].Start.Unix() != at || b[0].Seconds != 300 || b[0].Counters.Messages != int64(i)+1 {
			t.Errorf("lifetime of %s: %+v", scope, b)
		}
		if ask(t, api, "/v1/series?basis=send&id=x&scope="+scope, &sent); len(sent.Buckets) != 0 || sent.Late.Counters.Messages != int64(i)+1 {
			t.Errorf("sends of %s: %+v", scope, sent)
		}
	}
}
