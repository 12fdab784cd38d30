package delivery

import (
	"encoding/json"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/schemas"
)

// orders is posthorn.controls as a worker follows it.
type orders struct {
	now atomic.Pointer[controls.Snapshot]
}

func newOrders() *orders {
	o := &orders{}
	o.now.Store(&controls.Snapshot{Rules: map[string]controls.Rule{}, Endpoints: map[string]controls.Endpoint{}})
	return o
}

func (o *orders) snapshot() *controls.Snapshot { return o.now.Load() }

func (o *orders) change(f func(*controls.Snapshot)) {
	s := *o.now.Load()
	s.Rules, s.Endpoints = maps.Clone(s.Rules), maps.Clone(s.Endpoints)
	f(&s)
	o.now.Store(&s)
}

func (o *orders) rule(r controls.Rule) {
	o.change(func(s *controls.Snapshot) { s.Rules[r.Name] = r })
}

func (o *orders) endpoint(e controls.Endpoint) {
	o.change(func(s *controls.Snapshot) { s.Endpoints[e.Name] = e })
}

// follow has the worker read what it wrote itself, and returns how many records
// that were.
func (o *orders) follow(b *bench) int {
	b.t.Helper()
	records := b.Take(schemas.TopicControls)
	for _, rec := range records {
		kind, name, _ := strings.Cut(string(rec.Key), "/")
		var err error
		switch kind {
		case "rule":
			r := controls.Rule{Name: name}
			err = json.Unmarshal(rec.Value, &r)
			o.rule(r)
		case "endpoint":
			e := controls.Endpoint{Name: name}
			err = json.Unmarshal(rec.Value, &e)
			o.endpoint(e)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return len(records)
}

// clocked is a bench with a clock and orders of its own.
type clocked struct {
	*bench
	*orders
	now time.Time
}

func (c *clocked) run(t interface{ Helper() }, d time.Duration) {
	t.Helper()
	c.now = c.now.Add(d)
	c.bench.tick(c.now)
	c.commit()
}

// settled has one call's result written.
func (c *clocked) settled() []schemas.Delivery {
	c.t.Helper()
	return c.result(1, c.now)
}
