// Package gateways keeps what holds the arrival frontier: up to when each gateway
// with a spool has nothing in it.
//
// A gateway says so twice a second in posthorn.gateways, under the id of its spool.
// While webhooks wait in its spool, or are on their way, it says nothing new, and
// while Kafka is out of its reach it can't: so the first stage, which goes no
// further than the least of what gateways have said, stands still until their
// spools are drained. "And then nothing" is never concluded meanwhile.
//
// A gateway that stops with an empty spool says that it leaves. One that is killed
// holds the frontier until it is back, or is forgotten: by hand, or after the
// topic's seven days.
package gateways

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// Interval is how often a gateway says how far it has come.
const Interval = 500 * time.Millisecond

// Gateway is what one has said last. It is the value, as JSON, of its record.
type Gateway struct {
	// ID is the id of its spool: the record's key.
	ID string `json:"-"`
	// Host is where it runs, for people.
	Host string `json:"host,omitempty"`
	// Until is by the gateway's clock, in microseconds: what it received until then
	// is in Kafka, or was refused.
	Until schemas.Timestamp `json:"until"`
	// Left is set once it is not waited for any more. There are no tombstones: the
	// end of the topic must stay readable.
	Left bool `json:"left,omitempty"`
	// Said is when it said so, by the broker's or its own clock.
	Said time.Time `json:"-"`
}

// producer is the part of *kgo.Client that writes.
type producer interface {
	Produce(ctx context.Context, rec *kgo.Record, promise func(*kgo.Record, error))
}

func record(g Gateway) *kgo.Record {
	// A string and a number: nothing that JSON can't hold.
	value, _ := json.Marshal(g)
	return &kgo.Record{Topic: schemas.TopicGateways, Key: []byte(g.ID), Value: value}
}

func produce(ctx context.Context, p producer, rec *kgo.Record) error {
	done := make(chan error, 1)
	p.Produce(ctx, rec, func(_ *kgo.Record, err error) { done <- err })
	return <-done
}

// Forget says that a gateway has left: the frontier does not wait for it any more.
// What waits in its spool arrives, should it return, when it is drained.
func Forget(ctx context.Context, p producer, g Gateway) error {
	g.Left = true
	if err := produce(ctx, p, record(g)); err != nil {
		return fmt.Errorf("forgetting gateway %s: %w", g.ID, err)
	}
	return nil
}
