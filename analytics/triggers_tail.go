package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/posthorn/posthorn/schemas"
)

const (
	// maxTails is how many may follow at a time: each asks the database once in
	// tailInterval.
	maxTails      = 16
	tailInterval  = time.Second
	tailHeartbeat = 15 * time.Second
	// tailRows is how many triggers one look takes; the next goes on from there.
	tailRows = 1000
	// tailAge is how old a trigger may be in arrival time to be shown as a new one:
	// a look need not go through all there are.
	tailAge = 24 * time.Hour
	// tailWrite bounds how long a caller may not read.
	tailWrite = 10 * time.Second
)

// tailer shows one caller the triggers that are written from now on.
type tailer struct {
	*API
	filter filter
	out    *http.ResponseController
	w      http.ResponseWriter
	// generation is the one whose table was read, at how far by partition.
	generation schemas.Generation
	positions  map[int32]int64
}

// tail serves triggers as server-sent events, from now on.
func (a *API) tail(w http.ResponseWriter, r *http.Request) {
	err := knownParams(r, triggerFilters...)
	var f filter
	if err == nil {
		f, err = a.triggerFilter(r)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	select {
	case a.tails <- struct{}{}:
		defer func() { <-a.tails }()
	default:
		a.fail(w, r, tooMany("callers follow triggers"))
		return
	}
	t := &tailer{API: a, filter: f, out: http.NewResponseController(w), w: w}
	if err := t.locate(r.Context()); err != nil {
		a.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	// A caller that is gone, or does not read, is not told.
	if t.write(": from now on\n\n") == nil {
		t.run(r.Context())
	}
}

// run shows what is new until the caller goes, does not read, or the service
// stops.
func (t *tailer) run(ctx context.Context) {
	look, beat := time.NewTicker(t.cfg.tailInterval), time.NewTicker(t.cfg.heartbeat)
	defer look.Stop()
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-t.closing:
			return
		case <-beat.C:
			err = t.write(": heartbeat\n\n")
		case <-look.C:
			var found []Trigger
			if found, err = t.look(ctx); err != nil {
				if ctx.Err() == nil {
					t.cfg.Logger.Error("following triggers", "error", err)
					_ = t.write("event: problem\ndata: {\"title\":\"Unknown\",\"detail\":\"ClickHouse did not answer: connect again\"}\n\n") // it ends anyway
				}
				return
			}
			err = t.show(found)
		}
		if err != nil {
			return
		}
	}
}

func (t *tailer) show(found []Trigger) error {
	for i := range found {
		data, err := json.Marshal(&found[i])
		if err != nil {
			return err
		}
		if err := t.write(fmt.Sprintf("event: trigger\nid: %s\ndata: %s\n\n", found[i].ID, data)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tailer) write(text string) error {
	// Not every writer has deadlines, as those of tests.
	_ = t.out.SetWriteDeadline(time.Now().Add(tailWrite))
	if _, err := t.w.Write([]byte(text)); err != nil {
		return err
	}
	return t.out.Flush()
}

// locate finds the end of the live generation's table.
func (t *tailer) locate(ctx context.Context) error {
	ctx, cancel := t.bounded(ctx)
	defer cancel()
	live, err := publicTable(ctx, t.cfg.Conn, "triggers")
	if err != nil {
		return err
	}
	rows, err := t.cfg.Conn.Query(ctx, "SELECT kafka_partition, max(kafka_offset) FROM triggers GROUP BY kafka_partition")
	if err != nil {
		return fmt.Errorf("finding the latest triggers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	t.generation, t.positions = live.generation, map[int32]int64{}
	for rows.Next() {
		var partition int32
		var offset int64
		if err := rows.Scan(&partition, &offset); err != nil {
			return fmt.Errorf("finding the latest triggers: %w", err)
		}
		t.positions[partition] = offset
	}
	return rows.Err()
}

// look returns what was written since the last look, in the order of partitions
// and offsets. After a switch to another generation it begins anew.
func (t *tailer) look(ctx context.Context) ([]Trigger, error) {
	ctx, cancel := t.bounded(ctx)
	defer cancel()
	live, err := publicTable(ctx, t.cfg.Conn, "triggers")
	if err != nil {
		return nil, err
	}
	if live.generation != t.generation {
		if err := t.locate(ctx); err != nil {
			return nil, err
		}
		return nil, t.write(": another generation is live\n\n")
	}
	// The filter is not part of the position: what it leaves out is not looked at
	// again, because a later offset was.
	f := filter{conditions: slices.Clone(t.filter.conditions), args: slices.Clone(t.filter.args)}
	f.since(time.Now().Add(-tailAge), "arrived_at")
	f.add(t.beyond())
	var found []Trigger
	err = t.eachTrigger(ctx, f, "kafka_partition, kafka_offset", tailRows, func(trigger *Trigger) {
		found = append(found, *trigger)
		p := trigger.position
		t.positions[p.Partition] = max(p.Offset, t.positions[p.Partition])
	})
	return found, err
}

// beyond is the condition that a row lies behind the positions.
func (t *tailer) beyond() string {
	if len(t.positions) == 0 {
		return "1"
	}
	condition := "kafka_offset > multiIf("
	for _, p := range slices.Sorted(maps.Keys(t.positions)) {
		condition += fmt.Sprintf("kafka_partition = %d, %d, ", p, t.positions[p])
	}
	return condition + "-1)"
}

func (t *tailer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": max(1, int(t.cfg.Timeout.Seconds())-1)})), cancel
}
