package engagement

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// What a key of the store of rules holds.
const (
	ruleExpired = 'e' // fired, but only with evidence that was too old
	ruleFired   = 'f'
)

// evaluate judges the rules on a message that changed, given with its state, and
// emits the triggers that fire now.
func (t *task) evaluate(ctx stream.Context, m *schemas.Message, s *state) error {
	if len(t.rules) == 0 {
		return nil
	}
	var facts trigger.Message
	for _, r := range t.rules {
		if !r.Possible(s.events) {
			continue
		}
		if facts.Tenant == "" {
			facts = s.ruleFacts(m)
		}
		key, ok := r.OnceKey(&facts)
		if !ok {
			continue
		}
		fired, expired, err := hasFired(ctx, m, s, r, key)
		if err != nil {
			return err
		}
		if fired && !expired {
			continue
		}
		f, ok := r.Evaluate(&facts, s.events)
		old := f.Status == schemas.TriggerStatusExpired
		if !ok || old && expired {
			continue
		}
		setFired(ctx, m, s, r, key, old)
		rec := f.Record(&facts, key)
		ctx.ProduceTo(&kgo.Record{
			Topic: t.to.triggers,
			Key:   rec.RecipientID[:],
			Value: t.serde.Append(nil, schemas.TopicTriggers, rec),
		}, ctx.Partition())
	}
	return nil
}

// ruleFacts are what rules know of a message.
func (s *state) ruleFacts(m *schemas.Message) trigger.Message {
	f := s.known()
	return trigger.Message{
		Tenant:          m.Tenant,
		Account:         m.Account,
		MessageID:       m.MessageID,
		RecipientID:     m.RecipientID,
		Provider:        f.text[factProvider],
		Recipient:       f.text[factRecipient],
		RecipientDomain: f.text[factRecipientDomain],
		CampaignID:      f.text[factCampaignID],
		CampaignName:    f.text[factCampaignName],
		CustomID:        f.text[factCustomID],
		ContactID:       f.text[factContactID],
		Tags:            f.tags,
		Metadata:        f.metadata,
		SentAt:          m.SentAt,
	}
}

// hasFired tells whether a rule has fired for a key, and whether only with
// evidence that was too old. The key of a rule that fires once per message lies
// in the message's own state, and goes with it at the horizon. Others concern
// several messages of the recipient, all of which are in this partition: once
// for a recipient means once for ever, so these never expire.
func hasFired(ctx stream.Context, m *schemas.Message, s *state, r *trigger.Rule, key string) (fired, expired bool, err error) {
	if r.OncePer == trigger.OncePerMessage {
		fired, expired = s.hasFired(r.Name)
		return fired, expired, nil
	}
	v, err := ctx.Store(storeRules).Get(ruleKey(m.Tenant, r.Name, key))
	if err != nil {
		return false, false, fmt.Errorf("reading rule: %w", err)
	}
	return len(v) > 0, len(v) > 0 && v[0] == ruleExpired, nil
}

func setFired(ctx stream.Context, m *schemas.Message, s *state, r *trigger.Rule, key string, expired bool) {
	if r.OncePer == trigger.OncePerMessage {
		s.setFired(r.Name, expired)
		return
	}
	v := []byte{ruleFired}
	if expired {
		v[0] = ruleExpired
	}
	ctx.Store(storeRules).Put(ruleKey(m.Tenant, r.Name, key), v)
}

func ruleKey(tenant, rule, key string) []byte {
	return []byte(tenant + "\x00" + rule + "\x00" + key)
}
