//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// topicCheck is what posthorn.webhooks holds, from its start, against what the
// client was told.
type topicCheck struct {
	records    int64
	duplicates int64 // records of a webhook that is there already
	// unanswered webhooks are stored, but the client does not know of them: the
	// answer got lost, or was a refusal that came too early.
	unanswered int64
	lost       int64 // acknowledged and not there
	wrong      int64 // there, but not as posted
	details    []string
}

func (t *topicCheck) String() string {
	return fmt.Sprintf("%d records, %d of them duplicates, %d webhooks nobody was told of, %d acknowledged ones lost, %d not as posted",
		t.records, t.duplicates, t.unanswered, t.lost, t.wrong)
}

func (t *topicCheck) differ(n *int64, format string, args ...any) {
	*n++
	if len(t.details) < 20 {
		t.details = append(t.details, fmt.Sprintf(format, args...))
	}
}

// stored is a webhook of the topic.
type stored struct {
	source string
	sum    [sha256.Size]byte
}

// checkTopic reads all of posthorn.webhooks.
func (r *run) checkTopic(ctx context.Context) (*topicCheck, error) {
	t := &topicCheck{}
	hooks := map[schemas.ID]stored{}
	err := readTopic(ctx, r.kafka, schemas.TopicWebhooks, func(rec *kgo.Record) error {
		var w schemas.Webhook
		if err := r.serde.Decode(rec.Value, &w); err != nil {
			t.differ(&t.wrong, "partition %d offset %d is no webhook: %v", rec.Partition, rec.Offset, err)
			return nil
		}
		t.records++
		s := stored{w.Source, sha256.Sum256(w.Body)}
		if !w.Intact() {
			t.differ(&t.wrong, "webhook %s has a body of another sum than it says", w.ID)
		}
		if before, ok := hooks[w.ID]; ok {
			t.duplicates++
			if before != s {
				t.differ(&t.wrong, "webhook %s is there twice and differs", w.ID)
			}
		}
		hooks[w.ID] = s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", schemas.TopicWebhooks, err)
	}
	t.compare(hooks, &r.client.ledger)
	return t, nil
}

// compare holds the topic's webhooks against the client's ledger.
func (t *topicCheck) compare(hooks map[schemas.ID]stored, l *ledger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bodies := map[stored]bool{}
	for id, s := range hooks {
		bodies[s] = true
		if l.acked[id] == nil {
			t.unanswered++
		}
		if !l.bodies[s.sum] && s.source != uploadSource {
			t.differ(&t.wrong, "webhook %s of source %s has a body that nobody has posted", id, s.source)
		}
	}
	for id, a := range l.acked {
		s, ok := hooks[id]
		switch {
		case !ok:
			t.differ(&t.lost, "webhook %s of source %s was acknowledged and is not there", id, a.source)
		case s.source != a.source || !a.packed && s.sum != a.sum:
			t.differ(&t.wrong, "webhook %s of source %s is another one than was posted", id, a.source)
		}
	}
	for a := range l.repeated {
		if !bodies[stored{a.source, a.sum}] {
			t.differ(&t.lost, "a body of source %s with sum %x was acknowledged as stored before and is not there", a.source, a.sum[:8])
		}
	}
	for _, s := range l.strange {
		t.differ(&t.wrong, "%s", s)
	}
}
