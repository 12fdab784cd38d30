package trigger

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

func mustActive(t interface {
	Helper()
	Fatal(...any)
}, fields string) *Active {
	t.Helper()
	return mustRule(t, "immediate: {event: complained}\nactive: {"+fields+"}").Active
}

func TestActive(t *testing.T) {
	const (
		office = `days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00", time_zone: Europe/Paris`
		night  = `days: [fri], from: "22:00", to: "06:00", time_zone: America/New_York`
		early  = `from: "02:30", to: "03:30", time_zone: Europe/Paris`
		late   = `from: "01:00", to: "02:30", time_zone: Europe/Paris`
		friday = `days: [fri], time_zone: Pacific/Apia`
	)
	for _, tt := range []struct{ name, active, at, next string }{
		{"within", office, "2026-03-02T07:00:00Z", "2026-03-02T07:00:00Z"},
		{"before", office, "2026-03-02T06:59:59Z", "2026-03-02T07:00:00Z"},
		{"just before the end", office, "2026-03-02T18:59:59Z", "2026-03-02T18:59:59Z"},
		{"the end", office, "2026-03-02T19:00:00Z", "2026-03-03T07:00:00Z"},
		{"the weekend", office, "2026-03-06T19:00:00Z", "2026-03-09T07:00:00Z"},
		{"a weekend with a change of time", office, "2026-03-28T10:00:00Z", "2026-03-30T06:00:00Z"},
		{"night", night, "2026-07-03T12:00:00Z", "2026-07-04T02:00:00Z"},
		{"night, after midnight", night, "2026-07-04T09:59:59Z", "2026-07-04T09:59:59Z"},
		{"night, over", night, "2026-07-04T10:00:00Z", "2026-07-11T02:00:00Z"},
		{"night of another day", night, "2026-07-05T03:00:00Z", "2026-07-11T02:00:00Z"},
		// Europe/Paris skips 02:00 to 03:00 on 2026-03-29 and repeats it on 2026-10-25.
		{"from is skipped", early, "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"},
		{"after what is skipped", early, "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"from is repeated, first", early, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		{"from is repeated, set back before it", early, "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"},
		{"to is repeated, first", late, "2026-10-25T00:29:00Z", "2026-10-25T00:29:00Z"},
		{"to is repeated, set back before it", late, "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"},
		{"to is skipped", late, "2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z"},
		{"to is skipped, over", late, "2026-03-29T01:00:00Z", "2026-03-29T23:00:00Z"},
		// Samoa skipped the Friday of 2011-12-30.
		{"a day is skipped", friday, "2011-12-28T12:00:00Z", "2012-01-05T10:00:00Z"},
		{"whole days", `days: [sun]`, "2026-03-02T00:00:00Z", "2026-03-08T00:00:00Z"},
		{"until midnight", `from: "18:00", to: "24:00"`, "2026-03-02T23:59:59Z", "2026-03-02T23:59:59Z"},
	} {
		parse := func(s string) (ts schemas.Timestamp) {
			if err := ts.UnmarshalText([]byte(s)); err != nil {
				t.Fatal(err)
			}
			return ts
		}
		if next, ok := mustActive(t, tt.active).Next(parse(tt.at)); !ok || next != parse(tt.next) {
			t.Errorf("%s: %s, %t, want %s", tt.name, next, ok, tt.next)
		}
	}
}

// TestActiveNext compares with a walk from minute to minute.
func TestActiveNext(t *testing.T) {
	clock := rapid.SampledFrom([]string{"00:00", "00:30", "01:00", "01:45", "02:00", "02:30", "03:00", "03:15", "08:00", "20:00", "23:30"})
	rapid.Check(t, func(t *rapid.T) {
		from, to := clock.Draw(t, "from"), clock.Draw(t, "to")
		if from == to {
			t.Skip("no hours")
		}
		a := mustActive(t, "days: "+rapid.SampledFrom([]string{"[mon, sun]", "[sat]", "[sun]", "[mon, tue, wed, thu, fri, sat, sun]"}).Draw(t, "days")+
			`, from: "`+from+`", to: "`+to+`", time_zone: `+rapid.SampledFrom([]string{"Europe/Paris", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu"}).Draw(t, "zone"))
		day := rapid.SampledFrom([]string{"2026-03-28", "2026-03-08", "2026-10-24", "2026-11-01", "2026-04-04", "2026-10-03", "2026-06-01"}).Draw(t, "day")
		start, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		now := start.Add(time.Duration(rapid.IntRange(-600, 3000).Draw(t, "minute"))*minute + time.Duration(rapid.IntRange(0, 59).Draw(t, "second"))*time.Second)
		want := schemas.FromTime(now)
		for !a.Contains(want) {
			want = schemas.FromTime(want.Time().Truncate(minute).Add(minute))
		}
		if next, ok := a.Next(schemas.FromTime(now)); !ok || next != want {
			t.Fatalf("from %s the next is %s, %t; want %s", now, next, ok, want)
		}
	})
}
