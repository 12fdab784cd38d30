package analytics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// readCourses reads the course of each provider, or of the domains with most
// messages and of the others together.
func (a *API) readCourses(ctx context.Context, d *Deliverability, limit int) ([]valueCourse, error) {
	if d.By == "domain" {
		return a.domainCourses(ctx, d, limit)
	}
	days, at, err := a.providerDays(ctx, &d.SentPeriod)
	if err != nil {
		return nil, err
	}
	d.ComputedAt = at.UTC()
	courses := coursesOf{}
	for _, day := range days {
		if day.day > 0 {
			courses.add(day.provider, d.bucketOf(day.day), countsOf(&day.counters, d.Counters))
		}
	}
	return courses.list(), nil
}

// coursesOf gathers courses by their values.
type coursesOf map[string]*valueCourse

func (c coursesOf) add(value string, at int64, n Counts) {
	of := c[value]
	if of == nil {
		of = &valueCourse{value: value, buckets: map[int64]Counts{}}
		c[value] = of
	}
	if of.buckets[at] == nil {
		of.buckets[at] = Counts{}
	}
	of.buckets[at].add(n)
}

func (c coursesOf) list() (list []valueCourse) {
	for _, of := range c {
		list = append(list, *of)
	}
	return list
}

// coursesAsked is a question for the courses of the tenant's domains.
type coursesAsked struct {
	resolution string
	limit      int
	from, to   int64
}

// domainCourses reads the courses of domains; those of the tenant are kept.
func (a *API) domainCourses(ctx context.Context, d *Deliverability, limit int) ([]valueCourse, error) {
	if d.Campaigns != nil {
		d.ComputedAt = time.Now().UTC()
		return a.readDomainCourses(ctx, d, limit)
	}
	courses, at, err := a.tenantCourses.get(ctx, coursesAsked{d.Resolution, limit, d.from, d.to})
	d.ComputedAt = at.UTC()
	return slices.Clone(courses), err // They are put in order.
}

// readTenantCourses is the work of tenantCourses.
func (a *API) readTenantCourses(ctx context.Context, asked coursesAsked) ([]valueCourse, error) {
	d := Deliverability{Resolution: asked.resolution, SentPeriod: SentPeriod{from: asked.from, to: asked.to}, Counters: deliverabilityCounters}
	return a.readDomainCourses(ctx, &d, asked.limit)
}

// readDomainCourses ranks the domains first, and reads the days of the first of
// them only: those of all would be a million rows.
func (a *API) readDomainCourses(ctx context.Context, d *Deliverability, limit int) ([]valueCourse, error) {
	top, err := a.topDomains(ctx, d.domainFilter(a.cfg.Tenant), "messages", limit)
	if err != nil || len(top.domains) == 0 {
		return nil, err
	}
	courses := coursesOf{}
	f := d.domainFilter(a.cfg.Tenant)
	f.add("value IN (?)", top.domains)
	if err := a.eachDay(ctx, d, "value", f, courses.add); err != nil {
		return nil, err
	}
	list := courses.list()
	if top.count <= int64(len(top.domains)) {
		return list, nil
	}
	rest := valueCourse{count: top.count - int64(len(top.domains)), buckets: map[int64]Counts{}}
	err = a.eachDay(ctx, d, "''", d.filter(a.cfg.Tenant, schemas.DimensionAge), func(_ string, at int64, n Counts) {
		if rest.buckets[at] == nil {
			rest.buckets[at] = d.none()
		}
		rest.buckets[at].add(n)
	})
	for _, c := range list {
		for at, n := range c.buckets {
			rest.subtract(at, n)
		}
	}
	return append(list, rest), err
}

func (c *valueCourse) subtract(at int64, n Counts) {
	if c.buckets[at] == nil {
		c.buckets[at] = Counts{}
	}
	for name, v := range n {
		c.buckets[at][name] -= v
	}
}

// eachDay sums the counters of a value by day.
func (a *API) eachDay(ctx context.Context, d *Deliverability, value string, f filter, each func(value string, at int64, n Counts)) error {
	query := "SELECT " + value + " AS v, toInt64(toUnixTimestamp(window_start)) AS day, " + sumsOf(d.Counters, "") + " FROM breakdowns WHERE " + f.String() + " GROUP BY v, day"
	return a.each(ctx, "days", query, f.args, func(rows driver.Rows) error {
		var value string
		var day int64
		n, err := scanCounters(rows, d.Counters, &value, &day)
		if err != nil {
			return err
		}
		each(value, d.bucketOf(day), n)
		return nil
	})
}

// topDomains are the first domains of an order.
type topDomains struct {
	domains []string
	count   int64 // of all domains with any message
	unknown int64 // messages without a domain
}

// topDomains ranks domains by a counter, the greatest first, or by their names
// where the order is value. It costs a fraction of summing all counters of all.
func (a *API) topDomains(ctx context.Context, f filter, order string, limit int) (top topDomains, err error) {
	also := ""
	switch order {
	case "value", "messages":
	default:
		also = ", sum(" + order + ") AS " + order
	}
	if order != "value" {
		order += " DESC, value"
	}
	query := fmt.Sprintf(`SELECT value, count() OVER (), sumIf(messages, value = '') OVER ()
FROM (SELECT value, sum(messages) AS messages%s FROM breakdowns WHERE %s GROUP BY value HAVING messages != 0)
ORDER BY %s LIMIT %d`, also, f.String(), order, limit)
	err = a.each(ctx, "domains", query, f.args, func(rows driver.Rows) error {
		var domain string
		var count uint64
		err := rows.Scan(&domain, &count, &top.unknown)
		top.domains, top.count = append(top.domains, domain), int64(count)
		return err
	})
	return top, err
}
