package normalize

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// task normalises the webhooks of one partition.
type task struct {
	cfg        Config
	recipients map[string]*recipients // by tenant
	describer  describer

	events, rejected string // topics of the generation
}

// Process handles one webhook.
func (t *task) Process(ctx stream.Context, rec *kgo.Record) error {
	var hook schemas.Webhook
	if err := t.cfg.Serde.Decode(rec.Value, &hook); err != nil {
		return stream.Permanent(fmt.Errorf("decoding webhook: %w", err))
	}
	place := place{partition: rec.Partition, offset: rec.Offset, arrivedAt: schemas.ArrivedAt(rec), only: -1}
	if hook.ReplayOf != nil {
		return t.replay(ctx, &hook, place)
	}
	return t.normalize(ctx, &hook, place)
}

// Timer is never called: the stage sets none.
func (t *task) Timer(stream.Context, []byte, time.Time) error { return nil }

// Flush has nothing to do.
func (t *task) Flush(stream.Context) error { return nil }

// place is where a webhook stands, when it arrived, and which of its elements
// is wanted; -1: all.
type place struct {
	partition int32
	offset    int64
	arrivedAt schemas.Timestamp
	only      int32
}

func (t *task) normalize(ctx stream.Context, hook *schemas.Webhook, at place) error {
	ids, err := t.recipientsOf(hook.Tenant)
	if err != nil {
		return err
	}
	out := output{task: t, ctx: ctx, hook: hook, at: at}
	p, ok := provider.ByName(hook.Provider)
	if !ok {
		out.reject(-1, &provider.Error{Reason: ReasonUnknownProvider, Detail: fmt.Sprintf("no decoder for provider %q", hook.Provider)})
		return nil
	}
	out.version = p.Version()
	unpacked, err := provider.Unpack(hook)
	if err != nil {
		out.reject(-1, err)
		return nil
	}
	found := at.only < 0
	p.Decode(unpacked, func(index int, ev *schemas.Event, err error) {
		if at.only >= 0 && index >= 0 && int32(index) != at.only {
			return
		}
		found = true
		if err == nil {
			err = provider.Placeable(ev)
		}
		if err != nil {
			out.reject(index, err)
			return
		}
		complete(ev, at, ids)
		t.describer.describe(ev, out.version)
		out.event(ev)
	})
	if !found {
		out.reject(int(at.only), &provider.Error{Reason: ReasonBadReplay, Detail: "the body has no element of this index"})
	}
	return nil
}

func (t *task) recipientsOf(tenant string) (*recipients, error) {
	if r := t.recipients[tenant]; r != nil {
		return r, nil
	}
	secret, ok := t.cfg.Secret(tenant)
	if !ok || len(secret) == 0 {
		return nil, &UnknownTenantError{Tenant: tenant}
	}
	r := newRecipients(secret)
	t.recipients[tenant] = r
	return r, nil
}

// complete fills in what the decoder leaves open.
func complete(ev *schemas.Event, at place, ids *recipients) {
	ev.ArrivedAt = at.arrivedAt
	ev.RawRef.Partition, ev.RawRef.Offset = at.partition, at.offset
	earliest := ev.ReceivedAt - schemas.Timestamp(maxAge.Microseconds())
	latest := ev.ReceivedAt + schemas.Timestamp(maxFuture.Microseconds())
	if ev.OccurredAt == 0 || ev.OccurredAt < earliest || ev.OccurredAt > latest {
		ev.TimeSuspect = true
		ev.ProviderTime = ev.OccurredAt
		ev.OccurredAt = ev.ReceivedAt
		ev.OccurredPrecisionMS = 1
	}
	if ev.Recipient != "" {
		ev.RecipientID = ids.ofAddress(ev.Recipient)
	} else {
		ev.RecipientID = ids.ofMessage(ev.Tenant, ev.MessageID)
	}
}

// replay reads the webhook that hook refers to and normalises it again. Its
// events arrive now, and come from where they came from.
func (t *task) replay(ctx stream.Context, hook *schemas.Webhook, at place) error {
	ref := hook.ReplayOf
	origin := place{partition: ref.Partition, offset: ref.Offset, arrivedAt: at.arrivedAt, only: ref.Index}
	original, err := t.original(ref)
	if err == nil {
		return t.normalize(ctx, original, origin)
	}
	var refused *provider.Error
	if !errors.As(err, &refused) {
		return fmt.Errorf("replaying webhook %s: %w", ref.WebhookID, err)
	}
	lost := *hook
	lost.ID = ref.WebhookID
	out := output{task: t, ctx: ctx, hook: &lost, at: origin}
	out.reject(int(ref.Index), refused)
	return nil
}

// original reads a webhook of old. An error that is a *provider.Error is final.
func (t *task) original(ref *schemas.WebhookRef) (*schemas.Webhook, error) {
	if t.cfg.Webhooks == nil {
		return nil, &provider.Error{Reason: ReasonBadReplay, Detail: "this stage can't read earlier webhooks"}
	}
	value, err := t.cfg.Webhooks.ReadWebhook(context.Background(), ref.Partition, ref.Offset)
	if errors.Is(err, ErrWebhookGone) {
		return nil, &provider.Error{Reason: ReasonWebhookExpired, Detail: fmt.Sprintf("nothing is kept at partition %d offset %d any more", ref.Partition, ref.Offset)}
	}
	if err != nil {
		return nil, err
	}
	original := new(schemas.Webhook)
	if err := t.cfg.Serde.Decode(value, original); err != nil {
		return nil, &provider.Error{Reason: ReasonBadReplay, Detail: "the record is no webhook: " + err.Error()}
	}
	if original.ID != ref.WebhookID || original.ReplayOf != nil {
		return nil, &provider.Error{Reason: ReasonBadReplay, Detail: fmt.Sprintf("at partition %d offset %d stands webhook %s", ref.Partition, ref.Offset, original.ID)}
	}
	return original, nil
}
