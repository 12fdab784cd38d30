package rebuild

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// prepare drops what earlier rebuilds have left, and makes the topics and tables
// of a generation with a number of its own.
func (r *rebuild) prepare(ctx context.Context) (schemas.Generation, error) {
	existing, err := generation.Existing(ctx, r.adm)
	if err != nil {
		return 0, err
	}
	for _, g := range existing {
		if g <= r.live.Generation {
			continue
		}
		if err := r.awaitIdle(ctx, g); err != nil {
			return 0, err
		}
	}
	next := r.live.Last + 1
	if r.Resume {
		next = r.live.Last
	}
	for _, g := range existing {
		if g != r.live.Generation && g != next {
			if err := drop(ctx, r.adm, r.conn, g); err != nil {
				return 0, err
			}
		}
	}
	if r.Resume {
		if next == r.live.Generation {
			return 0, fmt.Errorf("there is nothing to resume: no rebuild was begun since generation %d went live", next)
		}
	} else {
		// Before anything is made: no number is used twice.
		begun := r.live
		begun.Last = next
		if err := generation.Write(ctx, r.kafka, begun); err != nil {
			return 0, err
		}
	}
	if err := generation.Create(ctx, r.adm, next, r.live.Generation); err != nil {
		return 0, err
	}
	if r.conn != nil {
		if err := analytics.CreateTables(ctx, r.conn, next, r.live.Generation); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// idleTimeout is longer than the group notices that a killed rebuild is gone.
const idleTimeout = kafka.DefaultSessionTimeout + 5*time.Second

// awaitIdle makes sure that nobody derives a generation.
func (r *rebuild) awaitIdle(ctx context.Context, g schemas.Generation) error {
	for began := time.Now(); ; {
		n, err := generation.Members(ctx, r.adm, g)
		if err != nil || n == 0 {
			return err
		}
		waited := time.Since(began)
		if waited > idleTimeout {
			return fmt.Errorf("another rebuild is under way: generation %d is being derived; wait for it, or stop it", g)
		}
		r.progress("waiting for another rebuild to be gone", int64(waited), int64(idleTimeout))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func drop(ctx context.Context, adm *kadm.Client, conn driver.Conn, g schemas.Generation) error {
	if err := generation.Drop(ctx, adm, g); err != nil {
		return err
	}
	if conn == nil {
		return nil
	}
	return analytics.DropTables(ctx, conn, g)
}

// Drop removes every generation but the live one, and returns them. conn may be
// nil.
func Drop(ctx context.Context, cfg kafka.Config, conn driver.Conn) (dropped []schemas.Generation, err error) {
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		return nil, err
	}
	defer closeAdmin()
	live, err := generation.Read(ctx, cfg)
	if err != nil {
		return nil, err
	}
	existing, err := generation.Existing(ctx, adm)
	if err != nil {
		return nil, err
	}
	for _, g := range existing {
		if g == live.Generation {
			continue
		}
		if err := drop(ctx, adm, conn, g); err != nil {
			return dropped, err
		}
		dropped = append(dropped, g)
	}
	return dropped, nil
}

// boundaryTimeout bounds the look at the oldest webhooks.
const boundaryTimeout = 30 * time.Second

// boundary returns when the oldest webhooks arrived that are retained in every
// partition; zero where none was ever deleted.
func (r *rebuild) boundary(ctx context.Context) (boundary time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, boundaryTimeout)
	defer cancel()
	starts, err := r.adm.ListStartOffsets(ctx, schemas.TopicWebhooks)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return boundary, fmt.Errorf("asking for the start of %s: %w", schemas.TopicWebhooks, err)
	}
	ends, err := r.adm.ListEndOffsets(ctx, schemas.TopicWebhooks)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return boundary, fmt.Errorf("asking for the end of %s: %w", schemas.TopicWebhooks, err)
	}
	from := map[int32]kgo.Offset{}
	starts.Each(func(start kadm.ListedOffset) {
		end, _ := ends.Lookup(start.Topic, start.Partition)
		switch {
		case start.Offset == 0:
		case start.Offset < end.Offset:
			from[start.Partition] = kgo.NewOffset().At(start.Offset)
		default: // nothing is left of the partition
			boundary = time.Now()
		}
	})
	if len(from) == 0 {
		return boundary, nil
	}
	cl, err := kafka.NewConsumer(r.kafka, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{schemas.TopicWebhooks: from}))
	if err != nil {
		return boundary, err
	}
	defer cl.Close()
	for len(from) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return boundary, fmt.Errorf("reading the oldest webhooks: %w", err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if _, first := from[p.Partition]; !first || len(p.Records) == 0 {
				return
			}
			if at := p.Records[0].Timestamp; at.After(boundary) {
				boundary = at
			}
			delete(from, p.Partition)
		})
	}
	return boundary, nil
}
