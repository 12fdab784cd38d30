package analytics

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// TestGridAtClockChanges: hand-made, the buckets around changes of all kinds.
func TestGridAtClockChanges(t *testing.T) {
	for _, c := range []struct{ zone, resolution, from, to, want string }{
		// 02:00 to 03:00, and 02:00 to 01:00.
		{"America/New_York", ResolutionDay, "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z", "03-07T00:00-05:00=86400 03-08T00:00-05:00=82800 03-09T00:00-04:00=86400"},
		{"America/New_York", ResolutionHour, "2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z", "03-08T01:00-05:00=3600 03-08T03:00-04:00=3600"},
		{"America/New_York", ResolutionDay, "2026-11-01T12:00:00Z", "2026-11-02T12:00:00Z", "11-01T00:00-04:00=90000 11-02T00:00-05:00=86400"},
		{"America/New_York", ResolutionHour, "2026-11-01T05:10:00Z", "2026-11-01T07:10:00Z", "11-01T01:00-04:00=3600 11-01T01:00-05:00=3600 11-01T02:00-05:00=3600"},
		// By half an hour: 02:00 to 02:30, and 02:00 to 01:30.
		{"Australia/Lord_Howe", ResolutionDay, "2026-10-03T15:00:00Z", "2026-10-03T16:00:00Z", "10-04T00:00+10:30=84600"},
		{"Australia/Lord_Howe", ResolutionHour, "2026-10-03T15:00:00Z", "2026-10-03T16:10:00Z", "10-04T01:00+10:30=3600 10-04T02:30+11:00=1800 10-04T03:00+11:00=3600"},
		{"Australia/Lord_Howe", ResolutionDay, "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z", "04-05T00:00+11:00=88200"},
		{"Australia/Lord_Howe", ResolutionHour, "2026-04-04T14:00:00Z", "2026-04-04T15:40:00Z", "04-05T01:00+11:00=3600 04-05T01:30+10:30=1800 04-05T02:00+10:30=3600"},
		{"Asia/Kathmandu", ResolutionHour, "2026-01-01T00:00:00Z", "2026-01-01T00:20:00Z", "01-01T05:00+05:45=3600 01-01T06:00+05:45=3600"},
		{"Asia/Kathmandu", ResolutionDay, "2026-01-01T00:00:00Z", "2026-01-01T18:20:00Z", "01-01T00:00+05:45=86400 01-02T00:00+05:45=86400"},
		// No midnight, two midnights, no 30th of December, midnight twice by a minute.
		{"America/Sao_Paulo", ResolutionDay, "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z", "11-03T00:00-03:00=86400 11-04T01:00-02:00=82800 11-05T00:00-02:00=86400"},
		{"America/Havana", ResolutionDay, "2025-11-02T04:00:00Z", "2025-11-03T05:00:01Z", "11-02T00:00-04:00=90000 11-03T00:00-05:00=86400"},
		{"Pacific/Apia", ResolutionDay, "2011-12-29T12:00:00Z", "2011-12-30T12:00:00Z", "12-29T00:00-10:00=86400 12-31T00:00+14:00=86400"},
		{"America/Goose_Bay", ResolutionDay, "2010-11-06T12:00:00Z", "2010-11-07T03:30:00Z", "11-06T00:00-03:00=86400 11-07T00:00-03:00=90000"},
		{"Asia/Kathmandu", Resolution5m, "2026-01-01T00:01:00Z", "2026-01-01T00:05:01Z", "01-01T05:45+05:45=300 01-01T05:50+05:45=300"},
	} {
		g := grid{c.resolution, zone(t, c.zone)}
		edges, ok := g.edges(g.floor(unix(t, c.from)), g.ceil(unix(t, c.to)), 10)
		var got []string
		for i := range len(edges) - 1 {
			got = append(got, fmt.Sprint(g.local(edges[i]).Format("01-02T15:04Z07:00"), "=", edges[i+1]-edges[i]))
		}
		if s := strings.Join(got, " "); !ok || s != c.want {
			t.Errorf("%s by %s from %s:\n got %s\nwant %s", c.zone, c.resolution, c.from, s, c.want)
		}
	}
}

func unix(t testing.TB, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.Unix()
}

// testZones have changes by an hour, by half of one, at midnight, by a day, and
// offsets of odd quarters.
var testZones = []string{
	"UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo", "America/Havana",
	"Pacific/Apia", "America/St_Johns", "Africa/Casablanca", "Pacific/Chatham", "Asia/Tehran", "Antarctica/Troll",
}

// TestGridHasNoGaps: whatever the zone and the moment, a bucket holds the moment
// that it is found by, is found from its first second to its last, and the next
// one begins where it ends.
func TestGridHasNoGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(testZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		g := grid{rapid.SampledFrom([]string{ResolutionDay, ResolutionHour, Resolution5m}).Draw(t, "resolution"), loc}
		at := rapid.Int64Range(86400, 4102444800).Draw(t, "at")
		// Half of all cases are within two days of a change.
		if _, end := g.local(at).ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(t, "near") {
			at = end.Unix() + rapid.Int64Range(-2*86400, 2*86400).Draw(t, "off")
		}
		start := g.floor(at)
		end := g.next(start)
		if at < start || end <= at {
			t.Fatalf("%d is not in %d to %d", at, start, end)
		}
		if a, b, c := g.floor(start), g.floor(end-1), g.floor(end); a != start || b != start || c != end {
			t.Fatalf("bucket %d to %d: floors %d, %d, %d", start, end, a, b, c)
		}
		if a, b := g.ceil(start), g.ceil(start+1); a != start || b != end {
			t.Fatalf("bucket %d to %d: ceilings %d, %d", start, end, a, b)
		}
		most := map[string]int64{ResolutionDay: 50 * 3600, ResolutionHour: 3600, Resolution5m: 300}[g.resolution]
		if end-start > most {
			t.Fatalf("%d seconds long", end-start)
		}
	})
}
