package analytics

import (
	"math"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

func near(t *testing.T, what string, got *float64, want, within float64) {
	t.Helper()
	switch {
	case got == nil:
		t.Errorf("%s: got nothing, want %v", what, want)
	case math.Abs(*got-want) > within:
		t.Errorf("%s: got %v, want %v", what, *got, want)
	}
}

// TestCompare has published examples as campaigns: Newcombe's 56 of 70 and 48 of 80
// (Statistics in Medicine 17 (1998) 873), and Fisher's tea, 4 of 4 and none of 4.
func TestCompare(t *testing.T) {
	conn := migrated(t)
	for id, c := range map[string]schemas.Counters{
		"70": {Delivered: 70, HumanOpened: 56, Opened: 71, Messages: 80}, "80": {Delivered: 80, HumanOpened: 48, Opened: 60, Messages: 80},
		"4": {Delivered: 4, HumanOpened: 4, Messages: 4}, "04": {Delivered: 4, Messages: 4}, "0": {},
	} {
		fill(t, conn, schemas.TopicStatistics, stats(id, schemas.BasisLifetime, time.Time{}, c))
	}
	api := NewAPI(APIConfig{Conn: conn})
	var c Comparison
	ask(t, api, "/v1/compare?campaigns=80&campaigns=70", &c)
	m := c.Metrics[0]
	if len(c.Campaigns) != 2 || c.Campaigns[0].ID != "80" || c.Campaigns[0].Name != "n80" || m.Name != "human_opened" || len(m.Pairs) != 1 {
		t.Fatalf("%+v", c)
	}
	pair := m.Pairs[0]
	near(t, "difference", pair.Difference, -.2, 1e-12)
	near(t, "low", pair.Low, -.3339, 5e-5)
	near(t, "high", pair.High, -.0524, 5e-5)
	near(t, "low of 56/70", m.Campaigns[1].Low, .6918, 5e-4)
	if !pair.Enough || pair.Test != testZ || *pair.Z > 0 || *pair.PAdjusted != *pair.P || !pair.Significant || pair.A != "80" {
		t.Errorf("%+v", pair)
	}

	ask(t, api, "/v1/compare?campaigns=4,04,70&metric=opened,human_opened", &c)
	m = c.Metrics[1]
	if len(c.Metrics) != 2 || len(m.Pairs) != 3 || m.Pairs[0].A != "4" || m.Pairs[0].B != "04" || m.Pairs[2].B != "70" {
		t.Fatalf("%+v", c.Metrics)
	}
	pair = m.Pairs[0]
	near(t, "tea", pair.P, 2./70, 1e-12)
	near(t, "tea, the second of three pairs", pair.PAdjusted, 4./70, 1e-12)
	if pair.Enough || pair.Test != testFisher || pair.Z != nil || pair.Significant {
		t.Errorf("tea %+v", pair)
	}
	if last := m.Pairs[2]; !last.Significant || *last.PAdjusted != 3**last.P {
		t.Errorf("none of 4 and 56 of 70: %+v", last)
	}
	// 71 opened of 70 delivered are no share: nothing is said of them.
	opened := c.Metrics[0]
	if r := opened.Campaigns[2]; *r.Rate <= 1 || r.Low != nil || opened.Pairs[2].P != nil || opened.Pairs[2].Significant || opened.Pairs[0].P == nil {
		t.Errorf("above 1: %+v %+v", r, opened.Pairs[2])
	}
	ask(t, api, "/v1/compare?campaigns=0,70", &c)
	if r := c.Metrics[0].Campaigns[0]; r.Rate != nil || r.Low != nil || c.Metrics[0].Pairs[0].Difference != nil {
		t.Errorf("of nothing: %+v", r)
	}
	if rows := c.sheet(); len(rows.rows) != 1 || rows.check() != nil {
		t.Errorf("rows %v", rows.check())
	}
}
