package delivery

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// The ledger of triggers whose callback is done, made or given up. It outlives
// the generation that fired them: a trigger that is derived again has the same
// id and calls nobody.

// doneRetention is how long the ledger remembers a trigger, from the arrival of
// its evidence.
const doneRetention = 35 * 24 * time.Hour

// A sweep forgets what is older, a few entries a tick, and begins again after a
// pause.
const (
	sweepStep  = 256
	sweepPause = time.Hour
)

// done tells whether a trigger's callback was done, by whatever generation.
func (t *task) done(ctx stream.Context, tr *schemas.Trigger) (bool, error) {
	v, err := ctx.Store(StoreDone).Get(tr.TriggerID[:])
	if err != nil {
		return false, fmt.Errorf("reading the ledger of callbacks: %w", err)
	}
	return v != nil, nil
}

func (t *task) setDone(ctx stream.Context, tr *schemas.Trigger) {
	at := tr.ArrivedAt
	if at.IsZero() {
		at = schemas.FromTime(t.d.cfg.Now())
	}
	ctx.Store(StoreDone).Put(append([]byte(nil), tr.TriggerID[:]...), binary.AppendVarint(nil, int64(at)))
}

// outdated tells whether a trigger came into being only by deriving again, too
// long after its evidence had arrived: a rule that is new, or an event that can
// be read only now, calls nobody for what is long past.
func (t *task) outdated(rec *kgo.Record, tr *schemas.Trigger) bool {
	if t.d.cfg.Rebuilt.IsZero() || rec.Timestamp.After(t.d.cfg.Rebuilt) {
		return false
	}
	arrived := tr.ArrivedAt.Time()
	limit := doneRetention
	if t.d.cfg.MaxAge != nil {
		limit = min(limit, t.d.cfg.MaxAge(tr.Rule))
	}
	return rec.Timestamp.Sub(arrived) > limit || t.d.cfg.Now().Sub(arrived) > doneRetention
}

// sweep forgets what the ledger need not remember any more.
func (t *task) sweep(ctx stream.Context, now time.Time) error {
	if now.Before(t.nextSweep) {
		return nil
	}
	var old [][]byte
	seen, failed := 0, false
	horizon := now.Add(-doneRetention).UnixMicro()
	err := ctx.Store(StoreDone).Scan(t.swept, nil, func(key, value []byte) bool {
		if seen++; seen > sweepStep {
			t.swept = append(t.swept[:0], key...)
			return false
		}
		at, n := binary.Varint(value)
		failed = failed || n <= 0
		if at < horizon {
			old = append(old, append([]byte(nil), key...))
		}
		return !failed
	})
	switch {
	case err != nil:
		return fmt.Errorf("reading the ledger of callbacks: %w", err)
	case failed:
		return fmt.Errorf("the ledger of callbacks is damaged")
	}
	for _, key := range old {
		ctx.Store(StoreDone).Delete(key)
	}
	if seen <= sweepStep {
		t.swept, t.nextSweep = nil, now.Add(sweepPause)
	}
	return nil
}
