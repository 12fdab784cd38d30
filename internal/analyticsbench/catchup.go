package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/analytics"
)

// caughtUp is how fast the sink took a backlog in.
type caughtUp struct {
	Events       int64
	Records      int64            // in all topics of the sink
	Rows         map[string]int64 // inserted, by table
	Seconds, CPU float64
	Finished     map[string]float64 // seconds until a table had its last row
}

func (c *caughtUp) perSecond() float64    { return float64(c.Events) / c.Seconds }
func (c *caughtUp) perCPUSecond() float64 { return float64(c.Events) / c.CPU }

// measureCatchUp shows the sink of a server a backlog that was hidden until then,
// and waits until all of it can be queried.
func measureCatchUp(ctx context.Context, b *bus, server *process, url string, backlog *hidden, events int64) (*caughtUp, error) {
	if err := untilOwned(ctx, url); err != nil {
		return nil, err
	}
	before, err := readSink(ctx, url)
	if err != nil {
		return nil, err
	}
	cpuBefore, err := server.cpu()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := backlog.show(ctx); err != nil {
		return nil, fmt.Errorf("showing the backlog: %w", err)
	}
	c := &caughtUp{Events: events, Finished: map[string]float64{}}
	if c.Records, err = b.ends(ctx); err != nil {
		return nil, err
	}
	bar := newProgress("catch-up", float64(c.Records), "records")
	last := before
	for done := false; !done; {
		// What is done is asked before what is inserted, which then is all.
		var at int64
		if at, err = b.done(ctx); err != nil {
			return nil, err
		}
		done = at >= c.Records
		used, err := server.cpu()
		if err != nil {
			return nil, err
		}
		state, err := readSink(ctx, url)
		if err != nil {
			return nil, err
		}
		now := time.Since(began).Seconds()
		for table, n := range state.Rows {
			if n != last.Rows[table] {
				c.Finished[table], c.Seconds, c.CPU = now, now, used-cpuBefore
			}
		}
		last = state
		bar.at(float64(at), "")
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	bar.end(float64(c.Records), "")
	c.Rows = maps.Clone(last.Rows)
	for table := range c.Rows {
		c.Rows[table] -= before.Rows[table]
	}
	if last.Bad > before.Bad {
		return c, fmt.Errorf("the sink failed or set records aside %d times", last.Bad-before.Bad)
	}
	return c, nil
}

func untilOwned(ctx context.Context, url string) error {
	for {
		s, err := readSink(ctx, url)
		if err != nil {
			return err
		}
		if s.Lanes > 0 && s.Owned == s.Lanes {
			return pause(ctx, 2*time.Second) // until the first fetches wait
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// ends is how many offsets the topics of the sink have, once no transaction is
// open: a commit is answered before it is in all partitions.
func (b *bus) ends(ctx context.Context) (int64, error) {
	for {
		all, err := b.offsets(ctx, b.admin.ListEndOffsets)
		if err != nil {
			return 0, err
		}
		committed, err := b.offsets(ctx, b.admin.ListCommittedOffsets)
		if err != nil || committed >= all {
			return committed, err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

func (b *bus) offsets(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (n int64, err error) {
	ends, err := list(ctx, analytics.SinkTopics()...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("listing the ends of the topics: %w", err)
	}
	for _, topic := range ends {
		for _, p := range topic {
			n += p.Offset
		}
	}
	return n, nil
}

// done is how many of them are in ClickHouse for certain.
func (b *bus) done(ctx context.Context) (n int64, err error) {
	for _, topic := range analytics.SinkTopics() {
		at, err := analytics.Done(ctx, b.admin, topic, 1)
		if err != nil {
			return 0, err
		}
		for _, offset := range at {
			n += offset
		}
	}
	return n, nil
}

func readSink(ctx context.Context, url string) (s sinkState, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/bench/sink", nil)
	if err != nil {
		return s, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return s, fmt.Errorf("asking the sink: %w", err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("asking the sink: %w", err)
	}
	return s, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
