//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// absenceResult is the comparison of the absence stage's output with what the
// webhooks say.
type absenceResult struct {
	expected, found             int64
	late                        int64 // events behind the frontier
	missing, surplus, different int64
	details                     []string // of the first differences
}

func (r *absenceResult) differ(n *int64, format string, args ...any) {
	*n++
	if len(r.details) < 20 {
		r.details = append(r.details, fmt.Sprintf(format, args...))
	}
}

// checkAbsences recomputes from posthorn.webhooks which messages nobody opened
// in time. Timers fire a while after the last webhook: it looks again until
// everything that is expected is there, or limit is over.
func checkAbsences(ctx context.Context, cfg kafka.Config, serde *schemas.Serde, limit time.Duration) (*absenceResult, error) {
	expected, err := expectAbsences(ctx, cfg, serde)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(limit)
	for {
		r, err := compareAbsences(ctx, cfg, expected)
		if err != nil || r.missing == 0 || time.Now().After(deadline) {
			return r, err
		}
		if err := wait(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

func expectAbsences(ctx context.Context, cfg kafka.Config, serde *schemas.Serde) (map[string]*absence, error) {
	messages := map[string]*absence{}
	err := readTopic(ctx, cfg, schemas.TopicWebhooks, func(rec *kgo.Record) error {
		var w schemas.Webhook
		if err := serde.Decode(rec.Value, &w); err != nil {
			return fmt.Errorf("decoding webhook: %w", err)
		}
		p, ok := provider.ByName(w.Provider)
		if !ok {
			return fmt.Errorf("provider %q is unknown", w.Provider)
		}
		p.Decode(&w, func(_ int, e *schemas.Event, err error) {
			if err != nil {
				return // a broken body
			}
			e.ArrivedAt = schemas.FromTime(rec.Timestamp)
			key := string(absenceKey(e))
			if messages[key] == nil {
				messages[key] = &absence{}
			}
			messages[key].take(e)
		})
		return nil
	})
	return messages, err
}

func compareAbsences(ctx context.Context, cfg kafka.Config, messages map[string]*absence) (*absenceResult, error) {
	r := &absenceResult{}
	seen := map[string]bool{}
	err := readTopic(ctx, cfg, absenceTopic, func(rec *kgo.Record) error {
		key, at := string(rec.Key), fmt.Sprintf("%d:%d", rec.Partition, rec.Offset)
		if len(rec.Value) == 16 {
			arrived, frontier := binary.BigEndian.Uint64(rec.Value), binary.BigEndian.Uint64(rec.Value[8:])
			r.differ(&r.late, "event of %q, arrived %s, came %s behind the frontier: %s", key,
				time.UnixMicro(int64(arrived)).UTC().Format(time.RFC3339Nano), time.Duration(frontier-arrived)*time.Microsecond, at)
			return nil
		}
		r.found++
		a := messages[key]
		if len(rec.Value) != 8 {
			return fmt.Errorf("absence at offset %d of partition %d has %d bytes, want 8", rec.Offset, rec.Partition, len(rec.Value))
		}
		first := int64(binary.BigEndian.Uint64(rec.Value))
		switch {
		case seen[key]:
			r.differ(&r.surplus, "absence of %q is there again at %s", key, at)
		case a == nil:
			r.differ(&r.surplus, "absence of %q at %s: no webhook tells of it", key, at)
		case !a.unopened():
			r.differ(&r.surplus, "absence of %q at %s, first seen %s: it was opened %s later", key, at,
				time.UnixMicro(a.first).UTC().Format(time.RFC3339Nano), time.Duration(a.opened-a.first)*time.Microsecond)
		case a.first != first:
			r.differ(&r.different, "absence of %q at %s: first event %s after the first one", key, at, time.Duration(first-a.first)*time.Microsecond)
		}
		seen[key] = true
		return nil
	})
	for key, a := range messages {
		if a.unopened() {
			r.expected++
			if !seen[key] {
				r.differ(&r.missing, "absence of %q, first seen %s, is missing", key, time.UnixMicro(a.first).UTC().Format(time.RFC3339Nano))
			}
		}
	}
	slices.Sort(r.details)
	return r, err
}

// readTopic calls f for every committed record up to the topic's present end.
func readTopic(ctx context.Context, cfg kafka.Config, topic string, f func(*kgo.Record) error) error {
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		return err
	}
	defer closeAdmin()
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("listing ends of %s: %w", topic, err)
	}
	left := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition], from[o.Partition] = o.Offset, kgo.NewOffset().At(0)
		}
	})
	if len(left) == 0 {
		return nil
	}
	cl, err := kafka.NewConsumer(cfg, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollRecords(ctx, 10_000)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return fmt.Errorf("reading %s: %w", topic, err)
		}
		var failed error
		fetches.EachRecord(func(rec *kgo.Record) {
			end, open := left[rec.Partition]
			if !open || failed != nil {
				return
			}
			if rec.Offset < end && !rec.Attrs.IsControl() {
				failed = f(rec)
			}
			if rec.Offset >= end-1 {
				delete(left, rec.Partition)
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}
