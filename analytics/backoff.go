package analytics

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// pause waits longer each time, up to a limit, with jitter.
type pause struct{ next, limit time.Duration }

func (p *pause) sleep(ctx context.Context) {
	timer := time.NewTimer(p.next - rand.N(p.next/4+1))
	defer timer.Stop()
	p.next = min(2*p.next, p.limit)
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// temporary tells of an error that says of itself that it may pass, such as a
// schema registry that does not answer.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
