package analytics

import (
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// madeCell is a row of breakdowns as a test writes it; the basis is that of day cells
// unless one is given.
type madeCell struct {
	dimension, campaign, value, detail string
	basis                              schemas.Basis
	window                             int64 // Unix seconds
	counts                             schemas.Counters
}

// daily makes a day cell.
func daily(dimension, campaign, value, day string, c schemas.Counters) madeCell {
	at, _ := time.Parse(time.DateOnly, day) // Without a day it is 1970.
	return madeCell{dimension, campaign, value, "", schemas.BasisSendTime, max(0, at.Unix()), c}
}

// fillCells writes rows of breakdowns by hand.
func fillCells(t testing.TB, conn driver.Conn, cells ...madeCell) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO breakdowns (tenant, dimension, campaign_id, value, detail, basis, window_start, "+strings.Join(counterNames, ", ")+")")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		row := []any{"default", c.dimension, c.campaign, c.value, c.detail, c.basis.String(), time.Unix(c.window, 0)}
		for _, n := range counterValues(&c.counts) {
			row = append(row, n)
		}
		if err := batch.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// scopeCells are the rows of the tenant's windows that statistics of campaigns make.
func scopeCells(recs ...*schemas.CampaignStatistics) (cells []madeCell) {
	for _, r := range recs {
		c := madeCell{dimension: ScopeTenant, basis: r.Basis, counts: r.Counters}
		if r.WindowStart != 0 {
			c.window = r.WindowStart.Time().Unix()
		}
		cells = append(cells, c)
	}
	return cells
}

// known writes the lifetime of a campaign, so that there is one.
func known(t testing.TB, conn driver.Conn, ids ...string) {
	t.Helper()
	for _, id := range ids {
		fill(t, conn, schemas.TopicStatistics, stats(id, schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 1}))
	}
}
