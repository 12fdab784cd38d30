package terminal

import (
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/schemas"
)

func TestSparkline(t *testing.T) {
	many := make([]int64, 3*sparkWidth+1) // four to a character; the last is alone
	for i := range many {
		many[i] = 2
	}
	for _, c := range []struct {
		counts []int64
		want   string
	}{
		{nil, ""},
		{[]int64{0}, "·"},
		{[]int64{5}, "█"},
		{[]int64{-3, 0, 1, 2, 3, 4, 8}, "··▁▂▃▄█"},
		{[]int64{1, 1 << 40}, "▁█"},
		{many, strings.Repeat("█", 55)},
	} {
		if got := sparkline(c.counts); got != c.want {
			t.Errorf("%v: %q, want %q", c.counts, got, c.want)
		}
	}
}

func TestPrintTimeSeries(t *testing.T) {
	loc := zone(t, "America/New_York")
	day := func(d int, seconds, opens int64) analytics.Bucket {
		return analytics.Bucket{Start: time.Date(2026, 11, d, 0, 0, 0, 0, loc), Seconds: seconds, Counted: analytics.Counted{Counters: schemas.Counters{Opens: opens, HumanOpens: opens / 2}}}
	}
	s := analytics.TimeSeries{Resolution: analytics.ResolutionDay, Basis: "send", TZ: "America/New_York", Campaigns: []string{"spring"},
		Buckets: []analytics.Bucket{day(1, 90000, 1200), day(2, 86400, 0), day(3, 86400, 300)}, Total: analytics.Counted{Counters: schemas.Counters{Opens: 1500, HumanOpens: 750}}}
	var out strings.Builder
	if err := PrintTimeSeries(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Campaign spring by day, each count at the send of its message (America/New_York)", "1,500", "█·▂", "Opens by people", "2026-11-01 Sun", "25h", "24h"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "late") {
		t.Errorf("nothing came late:\n%s", &out)
	}
	late := analytics.Counted{Counters: schemas.Counters{Opens: 7}}
	s.Late, s.Resolution, s.Campaigns = &late, analytics.ResolutionHour, nil
	out.Reset()
	if err := PrintTimeSeries(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"All campaigns by hour", "2026-11-01 00:00 -04:00", "2026-11-02 00:00 -05:00", "late", "Late is what came after"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
	out.Reset()
	if err := PrintTimeSeries(&out, analytics.TimeSeries{Resolution: analytics.ResolutionDay, Campaigns: []string{"a", "b"}}); err != nil || !strings.Contains(out.String(), "Campaigns a, b by day") || !strings.Contains(out.String(), "Nothing was counted") {
		t.Errorf("%v: %s", err, &out)
	}
	for seconds, want := range map[int64]string{300: "5m", 1800: "30m", 3600: "1h", 82800: "23h", 88200: "24h30m", 172801: "48h0m1s"} {
		if got := bucketLength(seconds); got != want {
			t.Errorf("%d seconds are %s, want %s", seconds, got, want)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}
