package ingest

import (
	"net/http"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"github.com/posthorn/posthorn/internal/kafka"
)

// Limits are what one source may take, so that it does not take it from others. A
// zero value means the default.
type Limits struct {
	// Rate is how many webhooks a second go with everybody's; default: no bound.
	Rate float64
	// Burst is how many may come at once before the rate counts; default: those of
	// a second, at least 1.
	Burst int
	// Concurrency is how many requests are served at once with everybody's;
	// default: a quarter of MaxPending, or all of a gateway with one source.
	Concurrency int64
}

// fairShare is the part of a gateway's requests and bytes that one source may have
// beside others, and that all floods may have together. One that floods has twice
// that at most.
const fairShare = 4

// share bounds what is held at once.
type share struct{ requests, bytes *budget }

// limits sets up what a source may take. Sources that are alone have nobody to
// leave anything to.
func (g *Gateway) limits(l Limits, alone bool) (share, *rate.Limiter) {
	s := share{newBudget(g.cfg.MaxPending), newBudget(g.cfg.ByteBudget)}
	if !alone {
		s = g.fairShare()
	}
	if l.Concurrency > 0 {
		s.requests = newBudget(l.Concurrency)
	}
	if l.Rate <= 0 {
		return s, nil
	}
	orDefault(&l.Burst, max(1, int(l.Rate)))
	return s, rate.NewLimiter(rate.Limit(l.Rate), l.Burst)
}

// fairShare returns a share in which any body has room.
func (g *Gateway) fairShare() share {
	return share{
		requests: newBudget(max(1, g.cfg.MaxPending/fairShare)),
		bytes:    newBudget(max(g.cfg.MaxBody+envelope, g.cfg.ByteBudget/fairShare)),
	}
}

// admission is the place of one request in the gateway, or of what is produced for
// it: in the share of its source, or where that has no room among the overflow. It
// is safe for concurrent use.
type admission struct {
	g   *Gateway
	src *source

	mu       sync.Mutex
	overflow bool
	held     int64 // bytes
}

// admit takes a place for a request of a source, until release. It comes before
// anything that costs.
func (g *Gateway) admit(src *source) (*admission, *problem) {
	if !g.pending.take(1) {
		g.metrics.failed.WithLabelValues("pending").Inc()
		return nil, unavailable("busy", "too many requests at once")
	}
	a := &admission{g: g, src: src}
	switch {
	case src.share.requests.take(1):
	case g.overflow.requests.take(1):
		a.overflow = true
		src.overflowed.Inc()
	default:
		g.pending.give(1)
		src.refused.Inc()
		return nil, tooMany()
	}
	return a, nil
}

// release gives the place back. Bytes that are still held are given back by give.
func (a *admission) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.share().requests.give(1)
	a.g.pending.give(1)
}

func (a *admission) share() *share {
	if a.overflow {
		return &a.g.overflow
	}
	return &a.src.share
}

// count counts one webhook against the source's rate. It comes after the webhook
// was verified, or whoever makes some up would use up the source's rate.
func (a *admission) count() *problem {
	if a.src.rate == nil || a.src.rate.Allow() {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.overflow || a.spill() {
		return nil
	}
	a.src.refused.Inc()
	return tooMany()
}

// take takes n bytes, and counts where there is no room.
func (a *admission) take(n int64) *problem {
	p := a.room(n)
	switch {
	case p == nil:
	case p.status == http.StatusTooManyRequests:
		a.src.refused.Inc()
	default:
		a.g.metrics.failed.WithLabelValues("budget").Inc()
	}
	return p
}

// room is take for who tries again.
func (a *admission) room(n int64) *problem {
	if !a.g.budget.take(n) {
		return fullBudget()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.share().bytes.take(n) || !a.overflow && a.spill() && a.share().bytes.take(n) {
		a.held += n
		return nil
	}
	a.g.budget.give(n)
	return tooMany()
}

// give gives n bytes back.
func (a *admission) give(n int64) {
	a.g.budget.give(n)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.share().bytes.give(n)
	a.held -= n
}

// spill moves the request to the overflow, or tells that there is no room.
func (a *admission) spill() bool {
	over := &a.g.overflow
	if !over.requests.take(1) {
		return false
	}
	if !over.bytes.take(a.held) {
		over.requests.give(1)
		return false
	}
	a.src.share.requests.give(1)
	a.src.share.bytes.give(a.held)
	a.overflow = true
	a.src.overflowed.Inc()
	return true
}

// route says where a record goes.
func (a *admission) route(rec *kgo.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.overflow {
		kafka.ToOverflow(rec)
	}
}

func tooMany() *problem {
	return &problem{status: http.StatusTooManyRequests, slug: "too-many", title: "Not stored, send it again", retryAfter: retryAfter,
		detail: "this source sends more than its share, and there is no room for it now"}
}
