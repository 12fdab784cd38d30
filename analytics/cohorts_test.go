package analytics

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// TestCohorts has two days of one week and one of the next month, looked at while
// the last one is half a day old.
func TestCohorts(t *testing.T) {
	conn := migrated(t)
	known(t, conn, "a")
	sent := func(day string, messages, delivered int64) madeCell {
		return daily("age", "a", schemas.AgeSent, day, schemas.Counters{Messages: messages, Delivered: delivered, HardBounced: messages - delivered})
	}
	fillCells(t, conn,
		sent("2026-01-29", 100, 80), sent("2026-01-30", 50, 40), sent("2026-02-03", 10, 10),
		daily("age", "a", "0", "2026-01-29", schemas.Counters{Opened: 8, HumanOpened: 4, Opens: 9}),
		daily("age", "a", "1", "2026-01-29", schemas.Counters{Opened: 4, HumanOpened: 1, Opens: 4}),
		daily("age", "a", "48", "2026-01-29", schemas.Counters{Opened: 4, HumanOpened: 3, Clicked: 2, Unsubscribed: 1}),
		daily("age", "a", "3", "2026-01-30", schemas.Counters{Opened: 12, HumanOpened: 12}),
		daily("age", "a", "0", "2026-02-03", schemas.Counters{Opened: 1}),
		daily("age", "b", schemas.AgeSent, "2026-01-29", schemas.Counters{Messages: 1000}))
	api := NewAPI(APIConfig{Conn: conn, now: func() time.Time { return time.Unix(unix(t, "2026-02-03T12:00:00Z"), 0) }})
	var byDay, byWeek, byMonth Cohorts
	ask(t, api, "/v1/campaigns/a/cohorts", &byDay)
	ask(t, api, "/v1/campaigns/a/cohorts?by=week", &byWeek)
	ask(t, api, "/v1/campaigns/a/cohorts?by=month&until=2026-02-01", &byMonth)
	starts := func(c Cohorts) (list []string) {
		for _, cohort := range c.Cohorts {
			list = append(list, *cohort.Start)
		}
		return list
	}
	for _, c := range []struct {
		of   Cohorts
		want []string
	}{{byDay, []string{"2026-01-29", "2026-01-30", "2026-02-03"}}, {byWeek, []string{"2026-01-26", "2026-02-02"}}, {byMonth, []string{"2026-01-01"}}} {
		if got := starts(c.of); len(got) != len(c.want) || got[0] != c.want[0] || got[len(got)-1] != c.want[len(got)-1] {
			t.Fatalf("%s: %v, want %v", c.of.By, got, c.want)
		}
	}
	first := byDay.Cohorts[0]
	at := func(c Cohort, from int64) CohortAge {
		for _, age := range c.Ages {
			if age.FromHours == from {
				return age
			}
		}
		t.Fatalf("no age %d", from)
		return CohortAge{}
	}
	if first.Sent["messages"] != 100 || first.Sent["hard_bounced"] != 20 || first.Start == nil {
		t.Errorf("sent %+v", first.Sent)
	}
	for _, c := range []struct {
		from              int64
		opened, decay     float64
		state             string
		human, halfOpened int64
	}{{0, 8. / 80, 8. / 16, AgeComplete, 4, 1}, {1, 12. / 80, 4. / 16, AgeComplete, 1, 1}, {24, 12. / 80, 0, AgeComplete, 0, 1}, {48, 16. / 80, 4. / 16 / 24, AgeComplete, 3, 1}} {
		age := at(first, c.from)
		if *age.Cumulative["opened"] != c.opened || *age.Decay["opened"] != c.decay || age.State != c.state || age.Counters["human_opened"] != c.human {
			t.Errorf("age %d: %+v opened %v decay %v", c.from, age, *age.Cumulative["opened"], *age.Decay["opened"])
		}
	}
	// Four of the eight were within the first hour; of clicks there is none by people.
	if first.HalfOpenedHours == nil || *first.HalfOpenedHours != 1 || first.HalfClickedHours != nil {
		t.Errorf("half %v %v", first.HalfOpenedHours, first.HalfClickedHours)
	}
	// On February 3 at 12:00 messages of January 29 are 108 to 132 hours old.
	for from, state := range map[int64]string{72: AgeComplete, 96: AgePartial, 120: AgePartial, 144: AgeFuture, 2160: AgeFuture} {
		if age := at(first, from); age.State != state || (age.Counters == nil) != (state == AgeFuture) {
			t.Errorf("age %d: %+v, want %s", from, age, state)
		}
	}
	if week := byWeek.Cohorts[0]; week.Sent["messages"] != 150 || *at(week, 3).Cumulative["opened"] != 24./120 || at(week, 96).State != AgePartial {
		t.Errorf("week %+v", week)
	}
	if byDay.All.Start != nil || byDay.All.Sent["messages"] != 160 || *at(byDay.All, 0).Cumulative["opened"] != 9./130 {
		t.Errorf("all %+v", byDay.All)
	}
	if byMonth.All.Sent["messages"] != 150 {
		t.Errorf("until February: %+v", byMonth.All.Sent)
	}
	if rows := byDay.sheet(); len(rows.rows) != 3*len(ages()) || rows.check() != nil {
		t.Errorf("%d rows: %v", len(rows.rows), rows.check())
	}
}

func TestCohortStart(t *testing.T) {
	for _, c := range []struct{ by, day, want string }{
		{"day", "2026-03-01", "2026-03-01"}, {"month", "2026-03-31", "2026-03-01"},
		{"week", "2026-03-01", "2026-02-23"}, {"week", "2026-03-02", "2026-03-02"}, {"week", "2026-03-08", "2026-03-02"}, {"week", "2026-01-01", "2025-12-29"},
	} {
		day, _ := time.Parse(time.DateOnly, c.day)
		if got := time.Unix(cohortStart(day.Unix(), c.by), 0).UTC().Format(time.DateOnly); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.by, c.day, got, c.want)
		}
	}
}

// TestTooManyCohorts: the answer is bounded, and says what to do.
func TestTooManyCohorts(t *testing.T) {
	conn := migrated(t)
	if err := conn.Exec(t.Context(), `INSERT INTO breakdowns (tenant, dimension, campaign_id, value, basis, window_start, messages)
SELECT 'default', 'age', 'a', 'sent', 'send_time', toDateTime('2024-01-01 00:00:00', 'UTC') + 86400 * number, 1 FROM numbers(?)`, maxCohorts+1); err != nil {
		t.Fatal(err)
	}
	api := NewAPI(APIConfig{Conn: conn})
	if w := ask(t, api, "/v1/cohorts", nil); w.Code != 400 {
		t.Errorf("too many: %d", w.Code)
	}
	var c Cohorts
	if ask(t, api, "/v1/cohorts?by=week", &c); len(c.Cohorts) != 79 {
		t.Errorf("%d weeks", len(c.Cohorts))
	}
}
