package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/spool"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

var errNoAnswer = errors.New("no answer from Kafka in time")

// storeElsewhere is what remains when Kafka has failed a webhook, or has not
// answered: the spool, and if that can't either, a little more patience. done,
// where not nil, still brings Kafka's answer.
func (g *Gateway) storeElsewhere(value []byte, err error, done <-chan error) *problem {
	if tooLarge(err) {
		g.metrics.failed.WithLabelValues("produce").Inc()
		return bodyTooLarge("Kafka takes no record of this size")
	}
	if g.spool != nil {
		if done != nil {
			g.kafka.result(err) // Those that come next need not wait as long.
		}
		if g.keep(value) {
			return nil
		}
		if done != nil {
			rest := time.NewTimer(g.cfg.AckTimeout - g.patience)
			defer rest.Stop()
			select {
			case err = <-done:
				if err == nil {
					return nil
				}
				done = nil
			case <-rest.C:
			}
		}
	}
	reason := "produce"
	if done != nil {
		reason = "timeout"
	}
	g.metrics.failed.WithLabelValues(reason).Inc()
	return unavailable("not-durable", "Kafka did not confirm the webhook in time")
}

// keep puts a webhook into the spool and tells whether it is durable there.
func (g *Gateway) keep(value []byte) bool {
	err := g.spool.Append(value)
	if err == nil {
		return true
	}
	reason := "io"
	switch {
	case errors.Is(err, spool.ErrFull):
		reason = "full"
	case errors.Is(err, spool.ErrDiskFull):
		reason = "disk"
	}
	g.metrics.spoolFailed.WithLabelValues(reason).Inc()
	return false
}

// drainSpool sends what the spool holds until ctx ends.
func (g *Gateway) drainSpool(ctx context.Context) {
	if g.cfg.Hold != nil {
		select {
		case <-g.cfg.Hold.Resumed():
		case <-ctx.Done():
			return
		}
	}
	g.spool.Drain(ctx, g.resend)
}

// resend produces a webhook of the spool.
func (g *Gateway) resend(value []byte, done func(error)) {
	rec := &kgo.Record{Topic: schemas.TopicWebhooks, Value: value}
	kafka.ToOverflow(rec) // what is late must not stand before what comes now
	if g.cfg.Hold != nil {
		g.markReceived(rec)
	}
	g.cfg.Producer.Produce(context.Background(), rec, func(_ *kgo.Record, err error) {
		g.kafka.result(err)
		if tooLarge(err) || errors.Is(err, kerr.InvalidRecord) {
			err = fmt.Errorf("%w: %w", spool.ErrRefused, err)
		}
		done(err)
	})
}

// markReceived has a webhook of the spool count as arrived when it was received, if
// the arrival frontier has waited for it since.
func (g *Gateway) markReceived(rec *kgo.Record) {
	var hook schemas.Webhook
	if err := g.cfg.Serde.Decode(rec.Value, &hook); err != nil {
		return // of another build's schema: it arrives now
	}
	if g.cfg.Hold.Holds(hook.ReceivedAt) {
		schemas.SetReceived(rec, hook.ReceivedAt)
	}
}

// clear tells up to when all that was received is in Kafka or was refused; false
// while something waits in the spool. What is under way is looked at first: it is
// in the spool before it is not under way any more.
func (g *Gateway) clear() (schemas.Timestamp, bool) {
	until := g.underway.clear(time.Now())
	return until, g.spool.Empty()
}

// check is a telemetry.Check: webhooks can be stored, in one place or the other.
func (g *Gateway) check() (ok bool, detail string) {
	ok, detail = g.kafka.check()
	if g.spool == nil || g.kafka.draining.Load() {
		return ok, detail
	}
	st := g.spool.Stats()
	kept := fmt.Sprintf("%d webhooks in the spool", st.Records)
	switch {
	case ok && st.Records == 0:
		return true, ""
	case ok:
		return true, kept + " are on their way to Kafka"
	case !g.kafka.failing():
		return false, detail
	}
	if err := g.spool.Err(); err != nil {
		return false, detail + "; " + err.Error()
	}
	return true, kept + ", until Kafka takes them: " + detail
}

// emptySpool waits until all that the spool holds is in Kafka, Kafka fails, or ctx
// ends. What is left is sent after the next start.
func (g *Gateway) emptySpool(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !g.spool.Empty() && !g.kafka.failing() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
