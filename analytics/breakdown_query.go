package analytics

import (
	"fmt"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// query sums the cells of each value, keeps the first of them and sums the rest
// up, in one go: of tens of thousands of domains, a few leave the database.
func (b *Breakdown) query(tenant string, limit int) (string, []any) {
	d := &b.dimension
	order := b.Order + " DESC, v, d"
	if b.Order == "value" {
		order = "v, d"
	}
	values, args := b.values(tenant)
	counters := strings.Join(d.counters, ", ")
	return fmt.Sprintf(`SELECT place <= %d AS shown, if(shown, v, '') AS sv, if(shown, d, '') AS sd, count(), sumIf(%s, %s), %s
FROM (SELECT v, d, %s, row_number() OVER (ORDER BY %s) AS place FROM (
%s
) WHERE %s != 0)
GROUP BY shown, sv, sd ORDER BY min(place)`,
		limit, d.share, d.unknown, sumsOf(d.counters, ""), counters, order, values, strings.Join(d.counters, " != 0 OR ")), args
}

// values is the query for all values: v, d and the counters under their names.
func (b *Breakdown) values(tenant string) (string, []any) {
	d := &b.dimension
	f := b.filter(tenant, d.of)
	named := sumsOf(d.counters, "named")
	switch {
	case b.By == "provider":
		// A domain has its provider once, and not with each of its days.
		domains := "SELECT value AS domain, " + named + " FROM breakdowns WHERE " + f.String() + " GROUP BY value"
		return "SELECT " + providerOf("c.domain") + " AS v, '' AS d, " + named + " FROM (" + domains + ") AS c LEFT ANY JOIN (" + providers + ") AS p ON c.domain = p.domain GROUP BY v", f.args
	case d.of == schemas.DimensionReason:
		return "SELECT detail AS v, '' AS d, " + named + " FROM breakdowns WHERE " + f.String() + " GROUP BY detail", f.args
	case d.of == schemas.DimensionLink:
		return "SELECT value AS v, detail AS d, " + named + " FROM breakdowns WHERE " + f.String() + " GROUP BY value, detail", f.args
	}
	return "SELECT value AS v, '' AS d, " + named + " FROM breakdowns WHERE " + f.String() + " GROUP BY value", f.args
}

// sumsOf are the sums of counters, under their own names where named is not empty.
func sumsOf(counters []string, named string) string {
	parts := make([]string, len(counters))
	for i, c := range counters {
		if parts[i] = "sum(" + c + ")"; named != "" {
			parts[i] += " AS " + c
		}
	}
	return strings.Join(parts, ", ")
}
