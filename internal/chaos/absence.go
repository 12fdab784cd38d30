//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// The absence stage is the harness's own, because the product's stages set few
// timers: it reports every message that nobody opened within absenceAfter of
// its first event, by the time of arrival. A frontier that ran ahead, a timer
// lost or fired twice, or state out of step with either shows in its output,
// which does not depend on the order in which events are processed.
const (
	absenceName  = "absence"
	absenceStore = "messages"
	absenceTopic = "posthorn.chaos-absences"
	absenceAfter = 5 * time.Second
)

func absenceTopics(partitions int32, replication int16) []schemas.Topic {
	var topics []schemas.Topic
	for _, t := range schemas.Catalogue(partitions, replication) {
		switch t.Name {
		case schemas.TopicTriggers:
			t.Name = absenceTopic
			topics = append(topics, t)
		case stream.ChangelogTopic("engagement", "messages"):
			t.Name = stream.ChangelogTopic(absenceName, absenceStore)
			topics = append(topics, t)
		case stream.ChangelogTopic("engagement", "engine"):
			t.Name = stream.ChangelogTopic(absenceName, "engine")
			topics = append(topics, t)
		}
	}
	return topics
}

func absenceStage(serde *schemas.Serde) stream.Stage {
	return stream.Stage{
		Name: absenceName, Input: schemas.TopicEventsByRecipient, Stores: []string{absenceStore},
		NewTask: func(int32) (stream.Task, error) { return &absenceTask{serde: serde}, nil },
	}
}

type absenceTask struct{ serde *schemas.Serde }

// absence is the state of a message, in microseconds of arrival time.
type absence struct {
	first  int64 // of all events
	opened int64 // of the first opening, 0 while there is none
	done   bool  // its timer has fired
}

// take counts one event in.
func (a *absence) take(e *schemas.Event) {
	at := int64(e.ArrivedAt)
	if a.first == 0 || at < a.first {
		a.first = at
	}
	if e.Type == schemas.EventTypeOpened && (a.opened == 0 || at < a.opened) {
		a.opened = at
	}
}

func (a *absence) due() int64 { return a.first + absenceAfter.Microseconds() }

// unopened tells whether the message is reported.
func (a *absence) unopened() bool { return a.opened == 0 || a.opened >= a.due() }

func (a *absence) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(a.first))
	b = binary.BigEndian.AppendUint64(b, uint64(a.opened))
	if a.done {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeAbsence(b []byte) (a absence, err error) {
	if len(b) == 0 {
		return a, nil
	}
	if len(b) != 17 {
		return a, fmt.Errorf("decoding state of a message: %d bytes, want 17", len(b))
	}
	return absence{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), b[16] == 1}, nil
}

// absenceKey names a message by what also decides its partition.
func absenceKey(e *schemas.Event) []byte {
	return []byte(e.Account + "\x00" + e.MessageID + "\x00" + strings.ToLower(strings.TrimSpace(e.Recipient)))
}

func (t *absenceTask) Process(ctx stream.Context, rec *kgo.Record) error {
	var e schemas.Event
	if err := t.serde.Decode(rec.Value, &e); err != nil {
		return fmt.Errorf("decoding event: %w", err)
	}
	key, store := absenceKey(&e), ctx.Store(absenceStore)
	if frontier := schemas.FromTime(ctx.Frontier()); !ctx.Frontier().IsZero() && e.ArrivedAt < frontier {
		// The frontier promises that this can't be. A timer need not have come
		// too early for it, so it is told apart.
		late := binary.BigEndian.AppendUint64(nil, uint64(e.ArrivedAt))
		late = binary.BigEndian.AppendUint64(late, uint64(frontier))
		ctx.Produce(&kgo.Record{Topic: absenceTopic, Key: key, Value: late})
	}
	value, err := store.Get(key)
	if err != nil {
		return err
	}
	a, err := decodeAbsence(value)
	if err != nil || a.done {
		return err
	}
	before := a
	a.take(&e)
	if a == before {
		return nil
	}
	store.Put(key, a.encode())
	if a.first != before.first {
		ctx.SetTimer(key, time.UnixMicro(a.due()))
	}
	return nil
}

func (t *absenceTask) Timer(ctx stream.Context, key []byte, due time.Time) error {
	store := ctx.Store(absenceStore)
	value, err := store.Get(key)
	if err != nil {
		return err
	}
	a, err := decodeAbsence(value)
	if err != nil {
		return err
	}
	if a.done || a.due() != due.UnixMicro() {
		return fmt.Errorf("timer of %q at %s fired against state %+v", key, due, a)
	}
	a.done = true
	store.Put(key, a.encode())
	if a.unopened() {
		ctx.Produce(&kgo.Record{Topic: absenceTopic, Key: key, Value: binary.BigEndian.AppendUint64(nil, uint64(a.first))})
	}
	return nil
}

func (t *absenceTask) Flush(stream.Context) error { return nil }
