package engagement

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// judge judges the rules on all lives of a message, emits the triggers that fire
// now, and sets the message's timer to when a rule wants to be judged again.
func (t *task) judge(ctx stream.Context, m *message) error {
	next := schemas.Timestamp(0)
	for _, s := range m.earlier {
		var derived schemas.Message
		s.derive(&m.identity, &derived)
		if err := t.evaluate(ctx, m, s, derived.SentAt, &next); err != nil {
			return err
		}
	}
	if err := t.evaluate(ctx, m, &m.state, m.derived.SentAt, &next); err != nil {
		return err
	}
	if next != 0 {
		next++ // see seenUpTo
	}
	t.setTimer(ctx, m, next)
	return nil
}

// evaluate judges the rules on one life of a message and lowers next.
func (t *task) evaluate(ctx stream.Context, m *message, s *state, sentAt schemas.Timestamp, next *schemas.Timestamp) error {
	if len(t.rules.Rules()) == 0 || len(s.events) == 0 {
		return nil
	}
	known := s.known()
	facts := messageFacts(&m.identity, &known)
	facts.SentAt = sentAt
	t.candidates = t.rules.ForMessage(t.candidates[:0], &facts, s.types(), s.events)
	seen := seenUpTo(ctx)
	dated := false
	for _, r := range t.candidates {
		if r.OncePer == trigger.OncePerMessage && r.Cooldown == 0 && s.hasFired(r.Name, occurrence{once: true}) == markFired {
			continue
		}
		if !dated && r.Settle > 0 {
			s.dateSuspicions()
			dated = true
		}
		firings, again := r.Judge(&facts, s.events, seen)
		if len(firings) == 0 && again == 0 {
			continue
		}
		key, ok := r.OnceKey(&facts)
		if !ok {
			continue
		}
		if again != 0 && (*next == 0 || again < *next) {
			*next = again
		}
		for i := range firings {
			// What is decided after the life is over finds nobody who remembers.
			if decided(&firings[i]) >= s.last+t.horizon {
				continue
			}
			if err := t.fire(ctx, s, &facts, &firings[i], key); err != nil {
				return err
			}
		}
	}
	return nil
}

// decided is the arrival time that a firing was decided at.
func decided(f *trigger.Firing) schemas.Timestamp {
	if f.Rule.Kind == trigger.KindAbsence {
		return f.ArrivedAt
	}
	return f.ArrivedAt + schemas.Timestamp(f.Rule.Settle.Microseconds())
}

// seenUpTo is the arrival time up to which every event has been seen: just before
// the frontier, since of those that arrived in the moment it stands at, more may
// come. Rules are judged at this.
func seenUpTo(ctx stream.Context) schemas.Timestamp {
	return max(0, schemas.FromTime(ctx.Frontier())-1)
}

// types are those of the kept events.
func (s *state) types() (types trigger.TypeSet) {
	for i := range s.events {
		types.Add(s.events[i].Type)
	}
	return types
}

// fire emits the trigger of a firing, if its occurrence has not fired yet. An
// expired firing does not keep a live one from firing.
func (t *task) fire(ctx stream.Context, s *state, facts *trigger.Message, f *trigger.Firing, key string) error {
	of, err := occurrenceOf(f)
	if err != nil {
		return err
	}
	now := markOf(f.Status)
	if f.Rule.OncePer == trigger.OncePerMessage {
		if s.hasFired(f.Rule.Name, of) >= now {
			return nil
		}
		s.setFired(f.Rule.Name, of, now)
	} else if fires, err := setFired(ctx, facts.Tenant, f.Rule.Name, key, of, now); err != nil || !fires {
		return err
	}
	rec := f.Record(facts, key)
	ctx.ProduceTo(&kgo.Record{
		Topic: t.to.triggers,
		Key:   rec.RecipientID[:],
		Value: t.serde.Append(nil, schemas.TopicTriggers, rec),
	}, ctx.Partition())
	return nil
}

// messageFacts are what rules know of a message but for when it was sent.
func messageFacts(id *identity, f *facts) trigger.Message {
	return trigger.Message{
		Tenant:          id.tenant,
		Account:         id.account,
		MessageID:       id.messageID,
		RecipientID:     id.recipientID,
		Provider:        f.text[factProvider],
		Recipient:       f.text[factRecipient],
		RecipientDomain: f.text[factRecipientDomain],
		CampaignID:      f.text[factCampaignID],
		CampaignName:    f.text[factCampaignName],
		CustomID:        f.text[factCustomID],
		ContactID:       f.text[factContactID],
		Tags:            f.tags,
		Metadata:        f.metadata,
	}
}

// What a key of the store of rules holds, of a rule that fires once for ever.
const (
	ruleExpired = 'e' // fired, but only with evidence that was too old
	ruleFired   = 'f'
)

// setFired takes note that an occurrence of a rule fires for a key that concerns
// several messages of a recipient, all of which are in this partition, and tells
// whether it does. Once for a recipient means for ever: these keys never expire.
// What a rule fired for one message lies in the message's own state, and goes
// with it at the horizon.
func setFired(ctx stream.Context, tenant, rule, key string, of occurrence, now mark) (fires bool, err error) {
	store := ctx.Store(storeRules)
	at := ruleKey(tenant, rule, key)
	if !of.once {
		at = blockKey(tenant, rule, key, of.start)
	}
	value, err := store.Get(at)
	if err != nil {
		return false, fmt.Errorf("reading rule: %w", err)
	}
	known, err := decodeFired(value, of.once)
	if err != nil || known.get(of) >= now {
		return false, err
	}
	known.set(of, now)
	store.Put(at, known.encode(of.once))
	return true, nil
}

func ruleKey(tenant, rule, key string) []byte {
	return []byte(tenant + "\x00" + rule + "\x00" + key)
}

// blockBits is the length of a block of occurrences: 2^41 us, 25 days.
const blockBits = 41

// blockKey is the key of the block that an occurrence lies in. It does not depend
// on the cooldown, and so knows what fired before that was changed.
func blockKey(tenant, rule, key string, start schemas.Timestamp) []byte {
	block := uint32(start >> blockBits)
	return append([]byte(tenant+"\x00"+rule+"\x01"+key), byte(block>>24), byte(block>>16), byte(block>>8), byte(block))
}
