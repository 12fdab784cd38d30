package ingest

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/ingest/upload"
	"github.com/posthorn/posthorn/schemas"
)

// The events of an upload are stored in groups, each as one webhook: large enough to
// be cheap, small enough for an upload to take no memory to speak of.
const (
	groupEvents = 500
	groupBytes  = 256 << 10
	// groupLines bounds the empty lines that stand for events that are not stored.
	groupLines = 2 * groupEvents
	// groupsInFlight is how many of an upload wait for Kafka at once.
	groupsInFlight = 4
	// groupAge is how old a group gets while its sender makes a pause.
	groupAge = 200 * time.Millisecond
)

// packer puts the events of one upload into webhooks, a line each. A line stands as
// far behind the first as its event does in the upload: what identifies an event does
// not depend on where groups end.
type packer struct {
	place    *admission
	g        *Gateway
	template schemas.Webhook
	to       *uploaded

	body        *[]byte // nil: no group is begun
	events      int
	first, last int64
	began       time.Time
	groups      int // handed on

	slots  chan struct{}
	flying sync.WaitGroup

	mu      sync.Mutex
	stored  map[int]group // done, behind one that is not
	next    int           // the first that is not done
	failure *problem
}

// group is what is left of a group once it is handed on.
type group struct {
	number int
	events int64
	last   int64
	id     schemas.ID
}

func (g *Gateway) newPacker(r *http.Request, src *source, a *admission, key string, to *uploaded) *packer {
	headers := keepHeaders(map[string]string{}, r.Header)
	delete(headers, "content-encoding") // the body is stored without
	delete(headers, provider.HeaderIdempotencyKey)
	if key != "" {
		headers[provider.HeaderIdempotencyKey] = key
	}
	return &packer{
		g: g, place: a, to: to, slots: make(chan struct{}, groupsInFlight), stored: map[int]group{},
		template: schemas.Webhook{
			Tenant: src.Tenant, Account: src.Account, Source: src.Name, Provider: src.Provider.Name(), RemoteIP: g.remoteIP(r),
			ContentType: provider.TypeNDJSON, Headers: headers, Query: r.URL.RawQuery, Verified: provider.SchemeBearer,
		},
	}
}

// add takes an event. It waits where too much is in flight, and returns why nothing
// can be stored any more.
func (p *packer) add(ev upload.Event) *problem {
	if p.body != nil {
		lines, length := ev.Number-p.first, len(*p.body)+len(ev.JSON)
		if p.events == groupEvents || length > groupBytes || lines >= groupLines {
			if failure := p.flush(); failure != nil {
				return failure
			}
		}
	}
	if p.body == nil {
		if p.groups > 0 && p.g.kafka.draining.Load() {
			return unavailable("stopping", "this gateway is being stopped")
		}
		p.body, p.began = p.g.buffers.get(4<<10), time.Now()
		p.first, p.last = ev.Number, ev.Number
	}
	for ; p.last < ev.Number; p.last++ {
		*p.body = append(*p.body, '\n')
	}
	*p.body = appendLine(*p.body, ev.JSON)
	p.events++
	return nil
}

// appendLine appends a JSON value that has been checked, without line breaks.
func appendLine(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0 {
		if v, err := jsonscan.Parse(value); err == nil {
			return v.AppendCompact(dst)
		}
	}
	return append(dst, value...)
}

// beforeRead stores what has waited long enough while the sender makes a pause.
func (p *packer) beforeRead() {
	if p.body != nil && time.Since(p.began) > groupAge {
		// What fails shows with the next event, or at the end.
		_ = p.flush()
	}
}

// flush hands the group on.
func (p *packer) flush() *problem {
	body, held := p.body, int64(len(*p.body)+envelope)
	done := group{number: p.groups, events: int64(p.events), last: p.last}
	hook := p.template
	hook.Body = *body
	p.body, p.events = nil, 0
	p.groups++
	id, failure := p.ready(held)
	if failure != nil {
		p.g.buffers.put(body)
		return p.fail(failure)
	}
	done.id, hook.ID = id, id
	slot := p.g.underway.begin(time.Now())
	hook.ReceivedAt, hook.CRC32C = schemas.FromTime(time.Now()), schemas.Checksum(hook.Body)
	hook.Headers = make(map[string]string, len(p.template.Headers)+1)
	for k, v := range p.template.Headers {
		hook.Headers[k] = v
	}
	hook.Headers[provider.HeaderUploadFirst] = strconv.FormatInt(p.first, 10)
	p.g.metrics.bytes.Add(float64(len(hook.Body)))
	p.flying.Go(func() {
		failure := p.g.store(&hook, p.place, held)
		p.g.underway.end(slot)
		p.g.buffers.put(body)
		if failure == nil {
			p.done(done)
		} else {
			_ = p.fail(failure)
		}
		<-p.slots
	})
	return nil
}

// ready waits for a slot and for room in the budget, and makes an id.
func (p *packer) ready(held int64) (schemas.ID, *problem) {
	p.slots <- struct{}{} // given back within the gateway's timeout for Kafka
	failure := p.failed()
	if failure == nil {
		failure = p.place.count()
	}
	if failure == nil {
		failure = p.take(held)
	}
	if failure != nil {
		<-p.slots
		return schemas.ID{}, failure
	}
	return newID(), nil
}

// take waits for room: unlike a webhook, an upload can.
func (p *packer) take(held int64) *problem {
	if p.place.room(held) == nil {
		return nil
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(p.g.cfg.AckTimeout); time.Now().Before(end); {
		<-tick.C
		if p.place.room(held) == nil {
			return nil
		}
	}
	return p.place.take(held)
}

// done counts a group that is durable, once all before it are.
func (p *packer) done(g group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stored[g.number] = g
	for {
		g, ok := p.stored[p.next]
		if !ok {
			return
		}
		delete(p.stored, p.next)
		p.next++
		u := p.to
		u.accepted += g.events
		u.through, u.began = g.last, true
		u.webhooks++
		if len(u.ids) < maxUploadIDs {
			u.ids = append(u.ids, g.id)
		}
	}
}

// fail keeps the first failure, and returns it.
func (p *packer) fail(failure *problem) *problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		failure.hangUp = true
		p.failure = failure
	}
	return p.failure
}

func (p *packer) failed() *problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// close stores what is left and waits until all is durable or has failed, which
// outweighs why reading has ended.
func (p *packer) close() {
	if p.body != nil {
		_ = p.flush()
	}
	p.flying.Wait()
	if p.failure != nil {
		p.to.ended = p.failure
	}
}
