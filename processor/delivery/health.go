package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// An endpoint whose every call has failed for days is disabled, by a record of
// posthorn.controls that all workers follow, written together with the record
// of the endpoint in posthorn.deliveries. It is enabled by a person, or by
// having another URL.
//
// Since when it has failed is kept by each partition, beside its pending calls,
// and so survives restarts; a worker takes its partitions together.

// Defaults of what disables an endpoint.
const (
	// DefaultDisableAfter is how long nothing but failures disables an endpoint.
	DefaultDisableAfter = 5 * 24 * time.Hour
	// disableAttempts is how many failures that takes at least.
	disableAttempts = 20
	// spanGap is the time without any call after which failures before and after
	// are not one span: longer than the longest step of the schedule.
	spanGap = 48 * time.Hour
)

// disabledError is the error of deliveries to an endpoint that is disabled.
const disabledError = "endpoint disabled"

// span is a time in which all calls of one partition to an endpoint failed.
type span struct {
	since, last int64 // microseconds: of the first failure, and of the latest
	failures    int64
	url         string // of the endpoint, without secrets: another one begins anew
}

// spanKey is the key of an endpoint's span in the store of pending calls. The
// keys of these are 16 bytes long, and none is the id of zeros.
func spanKey(endpoint string) []byte {
	return append(make([]byte, len(schemas.ID{})), endpoint...)
}

func (s span) append(dst []byte) []byte {
	dst = binary.AppendVarint(append(dst, 1), s.since)
	dst = binary.AppendVarint(dst, s.last)
	dst = binary.AppendVarint(dst, s.failures)
	return append(dst, s.url...)
}

func parseSpan(b []byte) (s span, err error) {
	if len(b) == 0 || b[0] != 1 {
		return s, errors.New("health of an endpoint is damaged")
	}
	c := cursor{rest: b[1:]}
	s.since, s.last, s.failures = c.varint(), c.varint(), c.varint()
	if s.url = string(c.rest); c.failed {
		return s, errors.New("health of an endpoint is damaged")
	}
	return s, nil
}

// health is what a worker knows of an endpoint.
type health struct {
	mu      sync.Mutex
	success int64 // microseconds: the latest, or when it was enabled
	spans   map[*generation]span
	off     order // the worker's own, until posthorn.controls says so
}

func newHealth() health { return health{spans: map[*generation]span{}} }

// succeededAt returns the latest success that is known.
func (h *health) succeededAt() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.success
}

func (h *health) succeeded(at int64) {
	h.mu.Lock()
	h.success = max(h.success, at)
	h.mu.Unlock()
}

func (h *health) set(g *generation, s span) {
	h.mu.Lock()
	h.spans[g] = s
	h.mu.Unlock()
}

func (h *health) forget(g *generation) {
	h.mu.Lock()
	delete(h.spans, g)
	h.mu.Unlock()
}

// failing takes together what the worker's partitions have seen: since when
// all calls failed, and how many.
func (h *health) failing() (since, failures int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for g, s := range h.spans {
		switch {
		case g.stale():
			delete(h.spans, g) // another worker's partition now, or a new task's
		case s.since > h.success:
			if since == 0 || s.since < since {
				since = s.since
			}
			failures += s.failures
		}
	}
	return since, failures
}

// disabled tells whether the endpoint must not be called.
func (l *lane) disabled() bool {
	c, known := controls.Endpoint{}, false
	if s := l.d.cfg.Controls(); s != nil {
		c, known = s.Endpoints[l.name]
	}
	if known && !c.Disabled {
		l.health.succeeded(micros(c.At)) // what failed before is forgiven
	}
	if known && c.Disabled && c.URL == l.publicURL {
		l.health.off.clear()
		return true
	}
	return l.health.off.holds(c.At)
}

// observed keeps what a result says of its endpoint's health, and disables the
// endpoint when that is enough.
func (t *task) observed(ctx stream.Context, r *result) {
	name := r.call.trigger.Endpoint
	l := t.d.lanes[name]
	if l == nil || r.verdict == notMade || r.unsent() {
		return
	}
	at := micros(r.at)
	switch r.verdict {
	case gone:
		t.disable(ctx, l, r, "it answered 410 Gone")
	case succeeded, refused:
		l.health.succeeded(at)
		t.healthy(ctx, name, l)
	case retry:
		s := t.spans[name]
		if s.url != l.publicURL || s.since <= l.health.succeededAt() || at-s.last > spanGap.Microseconds() {
			s = span{since: at, url: l.publicURL}
		}
		s.last, s.failures = max(s.last, at), s.failures+1
		t.spans[name] = s
		ctx.Store(StorePending).Put(spanKey(name), s.append(nil))
		l.health.set(t.gen, s)
		since, failures := l.health.failing()
		after := t.d.cfg.DisableAfter
		if after > 0 && since > 0 && at-since >= after.Microseconds() && failures >= disableAttempts {
			t.disable(ctx, l, r, fmt.Sprintf("all of its %d calls since %s failed, the last one: %s",
				failures, time.UnixMicro(since).UTC().Format(time.DateTime), r.err))
		}
	}
}

// healthy forgets the failures of an endpoint that has taken a call since.
func (t *task) healthy(ctx stream.Context, name string, l *lane) {
	if s, failing := t.spans[name]; failing && s.since <= l.health.succeededAt() {
		delete(t.spans, name)
		l.health.forget(t.gen)
		ctx.Store(StorePending).Delete(spanKey(name))
	}
}

// heal does so for what the worker's other partitions have seen succeed.
func (t *task) heal(ctx stream.Context) {
	for name := range t.spans {
		if l := t.d.lanes[name]; l != nil {
			t.healthy(ctx, name, l)
		}
	}
}

// disable stops all calls to an endpoint, everywhere and for good, because of a
// result.
func (t *task) disable(ctx stream.Context, l *lane, r *result, reason string) {
	if l.disabled() {
		return
	}
	at := r.at.Truncate(time.Microsecond)
	l.health.off.give(t.gen, at)
	ctx.AfterCommit(l.health.off.commit)
	ctx.Produce(controls.Endpoint{Name: l.name, Disabled: true, By: "delivery", At: at, Reason: reason, URL: l.publicURL}.Record())
	none := schemas.ID{}
	ctx.Produce(&kgo.Record{
		Topic: schemas.TopicDeliveries, Key: none[:],
		Value: t.d.cfg.Serde.Append(nil, schemas.TopicDeliveries, &schemas.Delivery{
			Tenant: r.call.trigger.Tenant, Endpoint: l.name, URL: l.publicURL, AttemptedAt: schemas.FromTime(at), Status: schemas.DeliveryStatusDisabled, Error: reason,
		}),
	})
	t.d.cfg.Logger.Error("endpoint disabled: calls to it fail until it is enabled (posthorn endpoints enable) or has another URL",
		"endpoint", l.name, "url", l.publicURL, "reason", reason)
}
