package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// killer stops running statements, over a session of its own so that it never
// waits behind them. The library gives no query ids: a statement is found by a
// comment in its text that is unique to the request.
type killer struct {
	mu      sync.Mutex
	session *session
	log     *slog.Logger
}

// mark appends the comment by which the statement can be found.
func mark(sql, id string) string { return sql + "\n/* posthorn:" + id + " */" }

// guard kills the statement when ctx ends before the returned function is
// called. It tries again until then, since a statement can't be found in the
// short time before the engine lists it.
func (k *killer) guard(ctx context.Context, id string) (release func()) {
	done, killed := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
			if err := k.kill(id); err != nil {
				k.log.Warn("killing a cancelled query", "error", err)
			}
			select {
			case <-done:
				return
			case <-time.After(pause):
			}
		}
	})
	return func() {
		close(done)
		if !stop() {
			<-killed
		}
	}
}

func (k *killer) kill(id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	sql := fmt.Sprintf("KILL QUERY WHERE position(query, 'posthorn:%s') > 0 AND NOT startsWith(query, 'KILL') ASYNC", id)
	return k.session.query(statement{sql: sql, format: "Null"}, nil)
}
