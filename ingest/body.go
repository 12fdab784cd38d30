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

func bodyTooLarge(detail string) *problem {
	return &problem{status: http.StatusRequestEntityTooLarge, slug: "too-large", title: "Body too large", detail: detail, hangUp: true}
}

func tooLarge(err error) bool { return errors.Is(err, kerr.MessageTooLarge) }

// readBody reads the body into a buffer of the pool, and tells how much of the
// budget it has taken for it; nothing where it fails. A body of unknown length
// takes more as it comes.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request) (_ *[]byte, held int64, _ *problem) {
	limit := g.cfg.MaxBody
	if r.ContentLength > limit {
		return nil, 0, bodyTooLarge(fmt.Sprintf("%d bytes; this gateway takes %d", r.ContentLength, limit))
	}
	size := r.ContentLength
	if size < 0 {
		size = 4 << 10
	}
	held = size + envelope
	if !g.budget.take(held) {
		g.metrics.failed.WithLabelValues("budget").Inc()
		return nil, 0, fullBudget()
	}
	buf := g.buffers.get(int(size) + 1) // One more, to see the end without growing.
	p := func() *problem {
		for {
			if len(*buf) == cap(*buf) {
				grow := int64(cap(*buf))
				if !g.budget.take(grow) {
					g.metrics.failed.WithLabelValues("budget").Inc()
					return fullBudget()
				}
				held += grow
				*buf = append(make([]byte, 0, 2*cap(*buf)), *buf...)
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
		g.budget.give(held)
		g.buffers.put(buf)
		return nil, 0, p
	}
	return buf, held, nil
}

func fullBudget() *problem {
	return unavailable("busy", "too many webhooks wait for Kafka")
}
