package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/schemas"
)

// seriesColumn is what people are shown of a bucket.
type seriesColumn struct {
	name string
	of   func(c *schemas.Counters) int64
}

var seriesColumns = []seriesColumn{
	{"Messages", func(c *schemas.Counters) int64 { return c.Messages }},
	{"Delivered", func(c *schemas.Counters) int64 { return c.Delivered }},
	{"Bounced", func(c *schemas.Counters) int64 { return c.HardBounced + c.SoftBounced }},
	{"Opens", func(c *schemas.Counters) int64 { return c.Opens }},
	{"by people", func(c *schemas.Counters) int64 { return c.HumanOpens }},
	{"Clicks", func(c *schemas.Counters) int64 { return c.Clicks }},
	{"by people", func(c *schemas.Counters) int64 { return c.HumanClicks }},
	{"Unsub.", func(c *schemas.Counters) int64 { return c.Unsubscribed }},
	{"Spam", func(c *schemas.Counters) int64 { return c.Complained }},
}

// PrintTimeSeries writes a series as a line of bars for each count and a table of
// its buckets.
func PrintTimeSeries(w io.Writer, s analytics.TimeSeries) error {
	var out strings.Builder
	by := "each count at its event"
	if s.Basis == "send" {
		by = "each count at the send of its message"
	}
	if s.Resolution == analytics.ResolutionLifetime {
		by = "all that was ever counted"
	}
	fmt.Fprintf(&out, "%s by %s, %s (%s)\n", seriesSubject(s.Campaigns), s.Resolution, by, s.TZ)
	if len(s.Buckets) == 0 {
		out.WriteString("Nothing was counted.\n")
	} else {
		out.WriteString("\n" + sparklines(s) + "\n\n" + bucketsTable(s) + "\n")
	}
	if s.Late != nil && s.Late.Counters != (schemas.Counters{}) {
		out.WriteString("Late is what came after its window was closed: no bucket has it, and the lifetime counts it.\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func seriesSubject(campaigns []string) string {
	switch len(campaigns) {
	case 0:
		return "All campaigns"
	case 1:
		return "Campaign " + campaigns[0]
	}
	return "Campaigns " + strings.Join(campaigns, ", ")
}

func sparklines(s analytics.TimeSeries) string {
	t := newTable()
	t.AppendHeader(table.Row{"Count", "Total", "From " + bucketStart(s, 0) + " to " + bucketStart(s, len(s.Buckets)-1)})
	counts := make([]int64, len(s.Buckets))
	name := ""
	for _, c := range seriesColumns {
		for i := range s.Buckets {
			counts[i] = c.of(&s.Buckets[i].Counters)
		}
		if shown := c.name; shown == "by people" {
			t.AppendRow(table.Row{name + " " + shown, thousands(c.of(&s.Total.Counters)), sparkline(counts)})
		} else {
			name = c.name
			t.AppendRow(table.Row{shown, thousands(c.of(&s.Total.Counters)), sparkline(counts)})
		}
	}
	rightAlign(t, 2)
	return t.Render()
}

// sparkWidth is the most characters of a sparkline.
const sparkWidth = 72

// sparkline draws counts as one line of bars, high where most is; a dot is 0 or
// less. Where there are more than fit, neighbours are added up.
func sparkline(counts []int64) string {
	group := max(1, (len(counts)+sparkWidth-1)/sparkWidth)
	var sums []int64
	most := int64(0)
	for i, n := range counts {
		if i%group == 0 {
			sums = append(sums, 0)
		}
		sums[len(sums)-1] += n
		most = max(most, sums[len(sums)-1])
	}
	if counts := len(counts) % group; counts > 0 && len(sums) > 1 {
		// The last one adds up fewer: it is drawn as a full one would be.
		sums[len(sums)-1] = min(most, sums[len(sums)-1]*int64(group)/int64(counts))
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	line := make([]rune, len(sums))
	for i, n := range sums {
		line[i] = '·'
		if n > 0 {
			line[i] = levels[(n*int64(len(levels))-1)/most]
		}
	}
	return string(line)
}

func bucketsTable(s analytics.TimeSeries) string {
	t := newTable()
	header, right := table.Row{"Start", "Length"}, []int{2}
	for i, c := range seriesColumns {
		header, right = append(header, c.name), append(right, i+3)
	}
	t.AppendHeader(header)
	row := func(start, length string, c *schemas.Counters) {
		r := table.Row{start, length}
		for _, column := range seriesColumns {
			r = append(r, thousands(column.of(c)))
		}
		t.AppendRow(r)
	}
	for i := range s.Buckets {
		b := &s.Buckets[i]
		row(bucketStart(s, i), bucketLength(b.Seconds), &b.Counters)
	}
	if s.Late != nil && s.Late.Counters != (schemas.Counters{}) {
		row("late", "", &s.Late.Counters)
	}
	rightAlign(t, right...)
	return t.Render()
}

// bucketStart writes the local start, with the offset where the hour may be there
// twice.
func bucketStart(s analytics.TimeSeries, i int) string {
	layout := "2006-01-02 15:04 -07:00"
	if s.Resolution == analytics.ResolutionDay {
		layout = "2006-01-02 Mon"
	}
	return s.Buckets[i].Start.Format(layout)
}

// bucketLength writes a length without the parts that are 0, as 23h or 30m.
func bucketLength(seconds int64) string {
	text := (time.Duration(seconds) * time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
