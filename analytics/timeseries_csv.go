package analytics

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/posthorn/posthorn/schemas"
)

// exportSeries answers with a series as CSV: a row for each bucket, and one behind
// them for what came late, so that the column of a counter adds up to its
// lifetime. A series is bounded: it is whole before its first byte is sent.
func (a *API) exportSeries(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": max(1, int(a.cfg.Timeout.Seconds())-1)}))
	s, err := a.timeSeries(ctx, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var body bytes.Buffer
	out := csv.NewWriter(&body)
	_ = out.Write(seriesHeader(s.Definitions)) // A buffer takes everything.
	for _, b := range s.Buckets {
		_ = out.Write(seriesRow("bucket", b.Start.Format(time.RFC3339Nano), strconv.FormatInt(b.Seconds, 10), b.Counted, s.Definitions))
	}
	if s.Late != nil {
		_ = out.Write(seriesRow("late", "", "", *s.Late, s.Definitions))
	}
	out.Flush()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="series.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body.Bytes()) // The caller went away.
}

// seriesHeader names the columns; those of rates end in _rate, since counters have
// some of the same names.
func seriesHeader(definitions []RateDefinition) []string {
	header := append([]string{"part", "start", "seconds"}, counterNames...)
	for _, d := range definitions {
		header = append(header, d.Name+"_rate")
	}
	return header
}

// seriesRow writes one row; a rate over 0 is empty.
func seriesRow(part, start, seconds string, c Counted, definitions []RateDefinition) []string {
	row := []string{part, start, seconds}
	counters := c.Counters
	for _, n := range counterValues(&counters) {
		row = append(row, strconv.FormatInt(n, 10))
	}
	for _, d := range definitions {
		text := ""
		if v := c.Rates[d.Name]; v != nil {
			text = strconv.FormatFloat(*v, 'g', -1, 64)
		}
		row = append(row, text)
	}
	return row
}

// counterValues returns all counters in the order of counterColumns.
func counterValues(c *schemas.Counters) []int64 {
	fields := counterFields(c)
	values := make([]int64, len(fields))
	for i, f := range fields {
		values[i] = *f.(*int64)
	}
	return values
}
