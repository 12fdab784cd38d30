package engagement

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/sweep"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// task is the stage's work on one partition.
type task struct {
	serde *schemas.Serde
	live  *trigger.Live
	rules *trigger.Set // in force for the open transaction
	open  bool         // the rules are set
	to    outputs
	// inHead and outHead are the heads of events in the wire format: where an
	// input record was written with this build's schema, its body is passed on.
	inHead, outHead []byte
	horizon         schemas.Timestamp // in microseconds
	sweep           sweep.Sweep
	countSweep      sweep.Sweep

	event       schemas.Event // of the record in work
	key         []byte
	cache       cache
	dirty       []*message
	changes     changes
	suppressing suppressing

	// Of the event in work, for counting rules: its own facts, what is kept of it,
	// and the rules that may count it.
	own      trigger.Message
	fact     trigger.Event
	counting []*trigger.Rule
	counts   map[string]*counting // of the open transaction, by key
	touched  []*counting          // the same, in order

	candidates []*trigger.Rule   // memory of evaluate
	judged     []trigger.Counted // memory of fireCount
}

// headSize is the size of the wire format's head.
const headSize = 5

func newTask(c Config) *task {
	head := func(topic string) []byte { return c.Serde.Append(nil, topic, new(schemas.Event))[:headSize] }
	t := &task{
		serde:       c.Serde,
		live:        c.Rules,
		to:          outputsOf(c.Generation),
		inHead:      head(schemas.TopicEventsByRecipient),
		outHead:     head(schemas.TopicEvents),
		horizon:     schemas.Timestamp(cmp.Or(c.Horizon, DefaultHorizon).Microseconds()),
		cache:       cache{size: cmp.Or(c.cacheSize, cacheSize)},
		changes:     changes{retention: schemas.Timestamp(cmp.Or(c.Retention, DefaultRetention).Microseconds())},
		suppressing: suppressing{topic: c.Generation.Topic(schemas.TopicSuppressions)},
	}
	t.sweep = sweep.Sweep{Store: storeMessages, From: []byte{keyMessage}, Expired: t.expired, Delete: t.expire}
	t.countSweep = sweep.Sweep{Name: "counts", Store: storeCounts, Expired: countsExpired, Delete: deleteCounts}
	return t
}

// begin takes the rules that are in force when a transaction begins: all of it
// is judged by the same.
func (t *task) begin() {
	if !t.open {
		t.open, t.rules = true, t.live.Load()
	}
}

// outputs are the topics of a generation.
type outputs struct{ events, messages, triggers, deltas, breakdowns string }

func outputsOf(g schemas.Generation) outputs {
	return outputs{
		events: g.Topic(schemas.TopicEvents), messages: g.Topic(schemas.TopicMessages),
		triggers: g.Topic(schemas.TopicTriggers), deltas: g.Topic(schemas.TopicCampaignDeltas),
		breakdowns: g.Topic(schemas.TopicBreakdownDeltas),
	}
}

// message is a message in memory: its state and what was last derived from it.
type message struct {
	identity
	key     []byte            // in the store of messages
	state   state             // its last life
	derived schemas.Message   // of state; while changed, of the state before
	earlier []*state          // lives before, not yet over; nearly always none
	timer   schemas.Timestamp // when its timer is due; 0: it has none
	dirty   bool              // to be written
	due     bool              // its timer has fired, to be judged
	changed bool              // to be derived anew; what it contributed is taken back
}

// Process takes one event into its message. The event is passed on when it is
// the first of its id.
func (t *task) Process(ctx stream.Context, rec *kgo.Record) error {
	e := &t.event
	if err := t.serde.Decode(rec.Value, e); err != nil {
		return stream.Permanent(fmt.Errorf("decoding event: %w", err))
	}
	t.begin()
	if err := t.startSweeps(ctx); err != nil {
		return err
	}
	m, err := t.message(ctx, e)
	if err != nil {
		return err
	}
	s, err := t.life(ctx, m, e.ArrivedAt)
	if err != nil {
		return err
	}
	f := factsOf(e)
	effect, before := s.judge(e, &f)
	if effect == effectNew && s.folded.events > 0 {
		if effect, before, err = t.judgeFolded(ctx, m, s, e); err != nil {
			return err
		}
	}
	if effect == effectNone {
		if s.see(e.ArrivedAt) { // a repetition makes the life longer
			t.write(m)
		}
		return nil
	}
	t.touch(m)
	t.keepFolded(ctx, m, s.add(e, f))
	if effect == effectNew {
		if e.ArrivedAt >= t.changes.closing(windowStart(e.OccurredAt)) {
			ctx.Late(1)
		}
		out := &kgo.Record{Topic: t.to.events, Key: bytes.Clone(e.RecipientID[:]), Value: t.passOn(rec.Value)}
		ctx.ProduceTo(out, ctx.Partition())
	}
	if effect == effectNew || before != nil {
		return t.joins(ctx, m, e, &f, before)
	}
	return nil
}

func (t *task) startSweeps(ctx stream.Context) error {
	if err := t.sweep.Start(ctx); err != nil {
		return err
	}
	if len(t.rules.Rules()) == 0 {
		return nil
	}
	return t.countSweep.Start(ctx)
}

// judgeFolded tells what adding an event would do that is not in the kept set
// of a life with folded events. If it is a folded one that arrived earlier than
// was known, it is taken out again and returned, with the texts of the version
// that is to replace it.
func (t *task) judgeFolded(ctx stream.Context, m *message, s *state, e *schemas.Event) (effect, *trigger.Event, error) {
	store, key := ctx.Store(storeMessages), foldedKey(m.key, e.EventID)
	value, err := store.Get(key)
	if err != nil {
		return effectNone, nil, fmt.Errorf("reading folded event: %w", err)
	}
	if value == nil {
		return effectNew, nil, nil
	}
	old, err := decodeFolded(value, s)
	switch {
	case err != nil || len(value) == 1:
		return effectNone, nil, err
	case !s.spans(old.ArrivedAt):
		return effectNew, nil, nil // it was folded in another life
	case !earlier(e.ArrivedAt, e.OccurredAt, e.Source, &old):
		return effectNone, nil, nil
	}
	t.touch(m)
	store.Delete(key)
	s.folded.add(&old, -1)
	// The latest times may have been its own.
	s.folded.lastEventAt, s.folded.lastArrivedAt, s.folded.timeSuspect = 0, 0, false
	before := factOf(e)
	before.Type, before.Machine, before.TimeSuspect = old.Type, old.Machine, old.TimeSuspect
	before.OccurredAt, before.ArrivedAt = old.OccurredAt, old.ArrivedAt
	return effectMerge, &before, t.eachFolded(ctx, m.key, s, func(_ []byte, e *trigger.Event) { s.folded.note(e) })
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
	m, err := t.stored(ctx, t.key)
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = t.cache.fresh()
		// The store keeps keys: each message has one of its own.
		m.identity, m.key = id, bytes.Clone(t.key)
	}
	t.cache.put(m)
	return m, nil
}

// write has the state of a message written.
func (t *task) write(m *message) {
	if !m.dirty {
		m.dirty = true
		t.dirty = append(t.dirty, m)
	}
}

// touch takes back what a message contributed, before its state changes.
func (t *task) touch(m *message) {
	t.write(m)
	if m.changed {
		return
	}
	m.changed = true
	if len(m.state.events) > 0 {
		t.changes.remove(&m.derived, &m.state)
	}
	for _, s := range m.earlier {
		var derived schemas.Message
		s.derive(&m.identity, &derived)
		t.changes.remove(&derived, s)
		s.trusting, s.uncounted = false, false
	}
	m.state.trusting, m.state.uncounted = false, false
}

// Flush derives every message that changed and emits what follows.
func (t *task) Flush(ctx stream.Context) error {
	t.begin()
	if err := t.flushCounts(ctx); err != nil {
		return err
	}
	if err := t.flushMessages(ctx); err != nil {
		return err
	}
	if err := t.flushSuppressions(ctx); err != nil {
		return err
	}
	t.drain(ctx)
	t.cache.trim()
	t.open = false
	return nil
}

// drain emits the changes to campaigns and breakdowns. Nothing reads the latter
// by key: they stay in the task's own partition.
func (t *task) drain(ctx stream.Context) {
	t.changes.drain(func(d *schemas.CampaignDelta) {
		ctx.Produce(&kgo.Record{
			Topic: t.to.deltas,
			Key:   []byte(d.Tenant + "/" + d.CampaignID),
			Value: t.serde.Append(nil, schemas.TopicCampaignDeltas, d),
		})
	}, func(d *schemas.BreakdownDelta, size int) {
		ctx.ProduceTo(&kgo.Record{
			Topic: t.to.breakdowns,
			Key:   []byte(d.Tenant + "/" + d.CampaignID),
			Value: t.serde.Append(make([]byte, 0, size), schemas.TopicBreakdownDeltas, d),
		}, ctx.Partition())
	})
}

func (t *task) flushMessages(ctx stream.Context) error {
	for _, m := range t.dirty {
		if m.changed {
			t.emit(ctx, m)
		}
		if m.changed || m.due {
			if err := t.judge(ctx, m); err != nil {
				return err
			}
		}
		ctx.Store(storeMessages).Put(m.key, m.encode())
		m.dirty, m.changed, m.due = false, false, false
	}
	clear(t.dirty)
	t.dirty = t.dirty[:0]
	return nil
}

// emit derives a message anew and emits it. The record of its last life replaces
// those before.
func (t *task) emit(ctx stream.Context, m *message) {
	for _, s := range m.earlier {
		var derived schemas.Message
		s.derive(&m.identity, &derived)
		t.changes.add(&derived, s)
	}
	m.state.derive(&m.identity, &m.derived)
	t.changes.add(&m.derived, &m.state)
	ctx.ProduceTo(&kgo.Record{
		Topic: t.to.messages,
		Key:   topicKey(&m.identity),
		Value: t.serde.Append(make([]byte, 0, 320), schemas.TopicMessages, &m.derived),
	}, ctx.Partition())
}
