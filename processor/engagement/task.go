package engagement

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// task is the stage's work on one partition.
type task struct {
	serde *schemas.Serde
	rules []*trigger.Rule
	to    outputs
	// inHead and outHead are the heads of events in the wire format: where an
	// input record was written with this build's schema, its body is passed on.
	inHead, outHead []byte

	event   schemas.Event // of the record in work
	key     []byte
	cache   cache
	dirty   []*message
	changes changes
}

// headSize is the size of the wire format's head.
const headSize = 5

func newTask(c Config) *task {
	head := func(topic string) []byte { return c.Serde.Append(nil, topic, new(schemas.Event))[:headSize] }
	return &task{
		serde:   c.Serde,
		rules:   c.Rules.Rules(),
		to:      outputsOf(c.Generation),
		inHead:  head(schemas.TopicEventsByRecipient),
		outHead: head(schemas.TopicEvents),
		cache:   cache{size: cmp.Or(c.cacheSize, cacheSize)},
	}
}

// outputs are the topics of a generation.
type outputs struct{ events, messages, triggers, deltas string }

func outputsOf(g schemas.Generation) outputs {
	return outputs{
		events: g.Topic(schemas.TopicEvents), messages: g.Topic(schemas.TopicMessages),
		triggers: g.Topic(schemas.TopicTriggers), deltas: g.Topic(schemas.TopicCampaignDeltas),
	}
}

// message is a message in memory: its state and what was last derived from it.
type message struct {
	identity
	key     []byte // in the store of messages
	state   state
	derived schemas.Message // of the state; while dirty, of the state before
	dirty   bool
}

// Process takes one event into its message. The event is passed on when it is
// the first of its id.
func (t *task) Process(ctx stream.Context, rec *kgo.Record) error {
	e := &t.event
	if err := t.serde.Decode(rec.Value, e); err != nil {
		return stream.Permanent(fmt.Errorf("decoding event: %w", err))
	}
	m, err := t.message(ctx, e)
	if err != nil {
		return err
	}
	f := factsOf(e)
	effect := m.state.judge(e, &f)
	if effect == effectNew && m.state.folded.events > 0 {
		v, err := ctx.Store(storeMessages).Get(foldedKey(m.key, e.EventID))
		if err != nil {
			return fmt.Errorf("reading folded event: %w", err)
		}
		if v != nil {
			return nil
		}
	}
	if effect == effectNone {
		return nil
	}
	t.touch(m)
	if id, folded := m.state.add(e, f); folded {
		ctx.Store(storeMessages).Put(foldedKey(m.key, id), []byte{1})
	}
	if effect == effectNew {
		out := &kgo.Record{Topic: t.to.events, Key: bytes.Clone(e.RecipientID[:]), Value: t.passOn(rec.Value)}
		ctx.ProduceTo(out, ctx.Partition())
	}
	return nil
}

// passOn returns the event in the wire format of the topic of events.
func (t *task) passOn(in []byte) []byte {
	switch {
	case bytes.HasPrefix(in, t.outHead):
		return in
	case bytes.HasPrefix(in, t.inHead):
		return append(append(make([]byte, 0, len(in)), t.outHead...), in[headSize:]...)
	}
	return t.serde.Append(nil, schemas.TopicEvents, &t.event)
}

// message returns the message of an event, from memory or from its store.
func (t *task) message(ctx stream.Context, e *schemas.Event) (*message, error) {
	id := identityOf(e)
	t.key = appendKey(t.key[:0], &id)
	if m := t.cache.get(t.key); m != nil {
		return m, nil
	}
	m := t.cache.fresh()
	// The store keeps keys: each message has one of its own.
	m.identity, m.key = id, bytes.Clone(t.key)
	value, err := ctx.Store(storeMessages).Get(m.key)
	if err != nil {
		return nil, fmt.Errorf("reading message: %w", err)
	}
	if value != nil {
		if err := m.state.decode(value); err != nil {
			return nil, err
		}
		m.state.derive(&m.identity, &m.derived)
	}
	t.cache.put(m)
	return m, nil
}

// touch takes back what a message contributed, before its state changes.
func (t *task) touch(m *message) {
	if m.dirty {
		return
	}
	m.dirty = true
	t.dirty = append(t.dirty, m)
	if len(m.state.events) > 0 {
		t.changes.remove(&m.derived, &m.state)
	}
}

// Timer is never called: the stage sets no timers.
func (t *task) Timer(stream.Context, []byte, time.Time) error { return nil }

// Flush derives every message that changed and emits what follows.
func (t *task) Flush(ctx stream.Context) error {
	for _, m := range t.dirty {
		m.state.derive(&m.identity, &m.derived)
		t.changes.add(&m.derived, &m.state)
		if err := t.evaluate(ctx, m); err != nil {
			return err
		}
		ctx.ProduceTo(&kgo.Record{
			Topic: t.to.messages,
			Key:   topicKey(&m.identity),
			Value: t.serde.Append(make([]byte, 0, 320), schemas.TopicMessages, &m.derived),
		}, ctx.Partition())
		ctx.Store(storeMessages).Put(m.key, m.state.append(make([]byte, 0, 160+48*len(m.state.events))))
		m.dirty = false
	}
	t.changes.drain(func(d *schemas.CampaignDelta) {
		ctx.Produce(&kgo.Record{
			Topic: t.to.deltas,
			Key:   []byte(d.Tenant + "/" + d.CampaignID),
			Value: t.serde.Append(nil, schemas.TopicCampaignDeltas, d),
		})
	})
	clear(t.dirty)
	t.dirty = t.dirty[:0]
	t.cache.trim()
	return nil
}
