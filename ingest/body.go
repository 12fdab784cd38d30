package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/twmb/franz-go/pkg/kerr"
)

// envelope is what a webhook takes beside its body, in bytes: an estimate for
// the budget. Headers are bounded by the server.
const envelope = 2 << 10

// firstRead is how much of a body has room before any of it has come, in bytes.
const firstRead = 128 << 10

func bodyTooLarge(detail string) *problem {
	return &problem{status: http.StatusRequestEntityTooLarge, slug: "too-large", title: "Body too large", detail: detail, hangUp: true}
}

func tooLarge(err error) bool { return errors.Is(err, kerr.MessageTooLarge) }

// readBody reads the body into a buffer of the pool, and tells how many bytes it
// has taken for it; none where it fails. A large body, or one of unknown length,
// takes more as it comes: a caller that announces much and sends little must not
// hold much.
func (g *Gateway) readBody(r *http.Request, a *admission) (_ *[]byte, held int64, _ *problem) {
	limit := g.cfg.MaxBody
	if r.ContentLength > limit {
		return nil, 0, bodyTooLarge(fmt.Sprintf("%d bytes; this gateway takes %d", r.ContentLength, limit))
	}
	size, most := r.ContentLength, r.ContentLength+1
	if size < 0 {
		size, most = 4<<10, limit+1
	}
	size = min(size, firstRead)
	held = size + envelope
	if p := a.take(held); p != nil {
		return nil, 0, p
	}
	buf := g.buffers.get(int(size) + 1) // One more, to see the end without growing.
	p := func() *problem {
		for {
			if len(*buf) == cap(*buf) {
				larger := min(2*int64(cap(*buf)), most)
				grow := larger - int64(cap(*buf))
				if p := a.take(grow); p != nil {
					return p
				}
				held += grow
				*buf = append(make([]byte, 0, larger), *buf...)
			}
			n, err := r.Body.Read((*buf)[len(*buf):cap(*buf)])
			*buf = (*buf)[:len(*buf)+n]
			switch {
			case int64(len(*buf)) > limit:
				return bodyTooLarge(fmt.Sprintf("more than the %d bytes that this gateway takes", limit))
			case err == io.EOF:
				return nil
			case err != nil:
				return &problem{status: http.StatusBadRequest, slug: "unreadable", title: "Unreadable body", detail: "the body ended early or came too slowly", hangUp: true}
			}
		}
	}()
	if p != nil {
		a.give(held)
		g.buffers.put(buf)
		return nil, 0, p
	}
	return buf, held, nil
}

func fullBudget() *problem {
	return unavailable("busy", "too many webhooks wait for Kafka")
}
