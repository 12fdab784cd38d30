package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/schemas"
)

// Readiness is judged by what happened last: a webhook that was stored, or
// where there was none lately, a question to the broker.
const (
	probeEvery   = 2 * time.Second
	probeTimeout = 2 * time.Second
)

// States of kafkaHealth.
const (
	kafkaUnknown = iota
	kafkaGood
	kafkaFailing
)

// kafkaHealth knows whether Kafka takes webhooks.
type kafkaHealth struct {
	producer Producer
	// canary, where set, tells whether there is something in the spool that is
	// tried all the time: while there is, only a webhook that Kafka took shows
	// that it takes them again. A broker that answers may still refuse.
	canary   func() bool
	log      *slog.Logger
	stored   atomic.Bool // a webhook, since watch last looked
	draining atomic.Bool
	state    atomic.Int32

	mu  sync.Mutex
	err error // why it is not ready; nil: ready
}

func newKafkaHealth(p Producer, log *slog.Logger) *kafkaHealth {
	return &kafkaHealth{producer: p, log: log, err: errors.New("the broker has not been asked yet")}
}

// failing tells whether Kafka is known not to take webhooks.
func (h *kafkaHealth) failing() bool { return h.state.Load() == kafkaFailing }

// check is a telemetry.Check.
func (h *kafkaHealth) check() (ok bool, detail string) {
	if h.draining.Load() {
		return false, "draining"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return false, h.err.Error()
	}
	return true, ""
}

// result notes how a produce ended.
func (h *kafkaHealth) result(err error) {
	if err == nil {
		if !h.stored.Load() { // Every processor writes to this otherwise.
			h.stored.Store(true)
		}
		if h.state.Load() == kafkaGood {
			return
		}
	} else if tooLarge(err) {
		return // Says nothing about the next one.
	}
	h.set(err)
}

// set changes the state, and logs when it turns.
func (h *kafkaHealth) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	state := int32(kafkaGood)
	if err != nil {
		state = kafkaFailing
	}
	switch was := h.state.Swap(state); {
	case state == kafkaFailing && was != kafkaFailing:
		h.log.Error("Kafka does not take webhooks", "error", err)
	case state == kafkaGood && was == kafkaFailing:
		h.log.Info("Kafka takes webhooks again")
	}
}

// watch probes the broker until ctx ends.
func (h *kafkaHealth) watch(ctx context.Context) {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		if stored := h.stored.Swap(false); !stored || h.state.Load() != kafkaGood {
			err := h.probe(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil || !h.failing() || h.canary == nil || !h.canary() {
				h.set(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// probe asks for the topic's leaders.
func (h *kafkaHealth) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(schemas.TopicWebhooks)
	req.Topics = append(req.Topics, topic)
	resp, err := h.producer.Request(ctx, req)
	if err != nil {
		return fmt.Errorf("asking Kafka for %s: %w", schemas.TopicWebhooks, err)
	}
	meta, ok := resp.(*kmsg.MetadataResponse)
	if !ok || len(meta.Topics) != 1 {
		return fmt.Errorf("asking Kafka for %s: unexpected answer", schemas.TopicWebhooks)
	}
	if err := kerr.ErrorForCode(meta.Topics[0].ErrorCode); err != nil {
		return fmt.Errorf("topic %s: %w", schemas.TopicWebhooks, err)
	}
	for _, p := range meta.Topics[0].Partitions {
		if p.Leader >= 0 {
			return nil
		}
	}
	return fmt.Errorf("topic %s: no partition has a leader", schemas.TopicWebhooks)
}
