package verify

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/processor/normalize/client"
	"github.com/posthorn/posthorn/schemas"
)

// The provider's time is believed within these limits around received_at.
const (
	oldest   = 400 * 24 * time.Hour
	farthest = time.Hour
)

// expect decodes a webhook as the decoders do, completes its events on its own,
// and keeps what must therefore be found.
func (v *verifier) expect(ctx context.Context, rec *kgo.Record) error {
	var w schemas.Webhook
	if err := v.cfg.Serde.Decode(rec.Value, &w); err != nil {
		v.report.Unreadable++ // it is among the dead letters
		return nil
	}
	at := place{rec.Partition, rec.Offset}
	arrived := schemas.ArrivedAt(rec)
	if w.ReplayOf != nil {
		return v.expectReplay(ctx, &w, arrived)
	}
	c := v.report.check(checkWebhooks)
	c.Expected, c.Found = c.Expected+1, c.Found+1
	if !w.Intact() {
		v.report.differ(c, "%s, partition %d, offset %d: the body is not the one that was received, by its checksum", w.ID, at.partition, at.offset)
	}
	return v.expectBody(&w, at, arrived, -1)
}

// expectReplay keeps what a reference to an earlier webhook must become: the
// events of that one, which arrive again now.
func (v *verifier) expectReplay(ctx context.Context, w *schemas.Webhook, arrived schemas.Timestamp) error {
	ref := w.ReplayOf
	at := place{ref.Partition, ref.Offset}
	if !v.covered(at) {
		return nil // what came of it refers to outside of the cut
	}
	original, err := v.fetch(ctx, at)
	if err != nil {
		return err
	}
	if original != nil && original.ID == ref.WebhookID && original.ReplayOf == nil {
		return v.expectBody(original, at, arrived, ref.Index)
	}
	return v.expectRejection(&schemas.Rejection{
		WebhookID: ref.WebhookID, Tenant: w.Tenant, Account: w.Account, Source: w.Source, Provider: w.Provider,
		Partition: ref.Partition, Offset: ref.Offset, Index: ref.Index, Reason: "bad_replay",
		ReceivedAt: w.ReceivedAt, ArrivedAt: arrived,
	})
}

// place is where a webhook lies.
type place struct {
	partition int32
	offset    int64
}

// element is one event of a webhook, or with index -1 the whole of it.
type element struct {
	at    place
	index int32
}

// expectBody keeps what one body, or the element only of it, must become.
func (v *verifier) expectBody(w *schemas.Webhook, at place, arrived schemas.Timestamp, only int32) error {
	reject := func(index int, reason, field, detail string) error {
		return v.expectRejection(&schemas.Rejection{
			WebhookID: w.ID, Tenant: w.Tenant, Account: w.Account, Source: w.Source, Provider: w.Provider,
			Partition: at.partition, Offset: at.offset, Index: int32(index),
			Reason: reason, Field: field, Detail: detail, ReceivedAt: w.ReceivedAt, ArrivedAt: arrived,
		})
	}
	p, ok := provider.ByName(w.Provider)
	if !ok {
		return reject(-1, "unknown_provider", "", "")
	}
	unpacked, err := provider.Unpack(w)
	var packed *provider.Error
	if errors.As(err, &packed) {
		return reject(-1, packed.Reason, packed.Field, packed.Detail)
	}
	var failed error
	p.Decode(unpacked, func(index int, ev *schemas.Event, err error) {
		if failed != nil || (only >= 0 && index >= 0 && int32(index) != only) {
			return
		}
		if err == nil {
			err = provider.Placeable(ev)
		}
		var refused *provider.Error
		switch {
		case errors.As(err, &refused):
			failed = reject(index, refused.Reason, refused.Field, refused.Detail)
		case err != nil:
			failed = fmt.Errorf("decoding body: %w", err)
		case only < 0 && (v.refusedBefore[element{at, int32(index)}] || v.refusedBefore[element{at, -1}]):
			v.report.check(checkEvents).Skipped++ // until it is replayed
		default:
			v.complete(ev, w, at, arrived, index)
			fillClient(ev, p.Version())
			failed = v.facts.put(ev.RecipientID[:], kindExpectedEvent, ev.AppendAvro(nil))
		}
	})
	return failed
}

// complete fills in what does not follow from the body alone.
func (v *verifier) complete(ev *schemas.Event, w *schemas.Webhook, at place, arrived schemas.Timestamp, index int) {
	ev.ArrivedAt = arrived
	ev.RawRef = schemas.RawRef{WebhookID: w.ID, Partition: at.partition, Offset: at.offset, Index: int32(index)}
	low, high := w.ReceivedAt-schemas.Timestamp(oldest.Microseconds()), w.ReceivedAt+schemas.Timestamp(farthest.Microseconds())
	if ev.OccurredAt == 0 || ev.OccurredAt < low || ev.OccurredAt > high {
		ev.ProviderTime, ev.OccurredAt, ev.TimeSuspect = ev.OccurredAt, w.ReceivedAt, true
		ev.OccurredPrecisionMS = 1
	}
	// Without an address the message stands for its recipient, after a NUL so
	// that it is never taken for an address.
	who := strings.ToLower(strings.TrimSpace(ev.Recipient))
	if ev.Recipient == "" {
		who = ev.Tenant + "\x00" + ev.MessageID
	}
	mac := hmac.New(sha256.New, v.cfg.Secret)
	_, _ = mac.Write([]byte(who))
	ev.RecipientID = schemas.ID(mac.Sum(nil)[:16])
}

// fillClient fills in what the user agent tells, in the words of all providers.
// The tables for that are the processor's, as the decoders are.
func fillClient(ev *schemas.Event, decoder int32) {
	read := client.Parse(ev.UserAgent)
	ev.ClientName = cmp.Or(client.Name(ev.ClientName), read.Name)
	ev.ClientOS = cmp.Or(client.OS(ev.ClientOS), read.OS)
	ev.DeviceType = cmp.Or(client.Device(ev.DeviceType), read.Device)
	ev.MapperVersion = decoder + client.Version
}

func (v *verifier) expectRejection(r *schemas.Rejection) error {
	return v.refused.put(r.WebhookID[:], kindExpectedRejection, r.AppendAvro(nil))
}

// fetch reads one webhook again; nil where there is none any more.
func (v *verifier) fetch(ctx context.Context, at place) (w *schemas.Webhook, err error) {
	start, end, err := bounds(ctx, v.adm, schemas.TopicWebhooks)
	if err != nil || at.offset < start[at.partition] || at.offset >= end[at.partition] {
		return nil, err
	}
	err = v.read(ctx, schemas.TopicWebhooks, offsets{at.partition: at.offset}, offsets{at.partition: at.offset + 1}, func(rec *kgo.Record) error {
		w = new(schemas.Webhook)
		return v.cfg.Serde.Decode(rec.Value, w)
	})
	return w, err
}
