package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

const (
	// maxTails is how many may follow at a time: each asks the database once in
	// tailInterval.
	maxTails      = 16
	tailInterval  = time.Second
	tailHeartbeat = 15 * time.Second
	// tailWrite bounds how long a caller may not read.
	tailWrite = 10 * time.Second
)

// followed is a table whose new rows are shown as they are written.
type followed struct {
	table string
	event string // name of the server-sent events
	// ages are how far back the latest rows are looked for when somebody begins to
	// follow, one after the other until there are any.
	ages []time.Duration
	// slack is how much earlier than the newest row another one may have arrived
	// and still be shown: a look need not go through all there are.
	slack time.Duration
	// received is set where parts of the table are known by received_at, so that
	// those without new rows are not read. It may be earlier than the arrival by
	// receivedSlack.
	received bool
	// look returns rows behind the positions of f and moves them.
	look func(context.Context, *follower) ([]followedRow, error)
}

// followedRow is one row to be shown.
type followedRow struct {
	id   uuid.UUID
	data any
}

// follower shows one caller the rows of a table that are written from now on.
type follower struct {
	*API
	followed
	filter filter
	out    *http.ResponseController
	w      http.ResponseWriter
	// generation is the one whose table was read, at how far by partition.
	generation schemas.Generation
	positions  map[int32]int64
	// start is from when on rows were looked for at first, newest the latest
	// arrival so far; it may be zero.
	start, newest time.Time
	// newestReceived is the latest received_at so far, by the gateways' clocks.
	newestReceived time.Time
}

// receivedSlack is how long it takes to Kafka at most, and how far the clocks of
// gateways are apart.
const receivedSlack = 5 * time.Minute

// follow serves rows as server-sent events, from now on.
func (a *API) follow(w http.ResponseWriter, r *http.Request, of followed, f filter) {
	select {
	case a.tails <- struct{}{}:
		defer func() { <-a.tails }()
	default:
		a.fail(w, r, tooMany("callers follow triggers and events"))
		return
	}
	t := &follower{API: a, followed: of, filter: f, out: http.NewResponseController(w), w: w}
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
func (t *follower) run(ctx context.Context) {
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
			var found []followedRow
			if found, err = t.fresh(ctx); err != nil {
				if ctx.Err() == nil {
					t.cfg.Logger.Error("following "+t.table, "error", err)
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

func (t *follower) show(found []followedRow) error {
	for _, row := range found {
		data, err := json.Marshal(row.data)
		if err != nil {
			return err
		}
		if err := t.write(fmt.Sprintf("event: %s\nid: %s\ndata: %s\n\n", t.event, row.id, data)); err != nil {
			return err
		}
	}
	return nil
}

func (t *follower) write(text string) error {
	// Not every writer has deadlines, as those of tests.
	_ = t.out.SetWriteDeadline(time.Now().Add(tailWrite))
	if _, err := t.w.Write([]byte(text)); err != nil {
		return err
	}
	return t.out.Flush()
}

// locate finds the end of the live generation's table.
func (t *follower) locate(ctx context.Context) error {
	ctx, cancel := t.bounded(ctx)
	defer cancel()
	live, err := publicTable(ctx, t.cfg.Conn, t.table)
	if err != nil {
		return err
	}
	t.generation, t.positions = live.generation, map[int32]int64{}
	t.newest, t.newestReceived = time.Time{}, time.Time{}
	for _, age := range t.ages {
		t.start = t.cfg.now().Add(-age)
		if err := t.advance(ctx, t.recent(), nil); err != nil || len(t.positions) > 0 {
			return err
		}
	}
	return nil
}

// fresh returns what was written since the last look. After a switch to another
// generation it begins anew.
func (t *follower) fresh(ctx context.Context) ([]followedRow, error) {
	ctx, cancel := t.bounded(ctx)
	defer cancel()
	live, err := publicTable(ctx, t.cfg.Conn, t.table)
	if err != nil {
		return nil, err
	}
	if live.generation != t.generation {
		if err := t.locate(ctx); err != nil {
			return nil, err
		}
		return nil, t.write(": another generation is live\n\n")
	}
	return t.look(ctx, t)
}

// recent is the filter of the tenant's rows that are not too old to be shown.
func (t *follower) recent() (f filter) {
	f.add("tenant = ?", t.cfg.Tenant)
	t.bound(&f)
	return f
}

// bound leaves out what arrived too early to be shown.
func (t *follower) bound(f *filter) {
	f.since(t.since(t.newest), "arrived_at")
	if t.received {
		f.since(t.since(t.newestReceived).Add(-receivedSlack), "received_at")
	}
}

// since is how early a row may be that is shown, by the newest so far.
func (t *follower) since(newest time.Time) time.Time {
	if since := newest.Add(-t.slack); since.After(t.start) {
		return since
	}
	return t.start
}

// unseen is the filter of the rows behind the positions that the caller wants.
func (t *follower) unseen() filter {
	// What the filter leaves out is not looked at again, because a later offset was.
	f := filter{conditions: slices.Clone(t.filter.conditions), args: slices.Clone(t.filter.args)}
	t.bound(&f)
	f.add(t.beyond())
	return f
}

// advance moves the positions to the last rows that a filter leaves, and adds to
// wanted how many of them the caller wants.
func (t *follower) advance(ctx context.Context, f filter, wanted *uint64) error {
	count, args := "count()", []any(nil)
	if wanted != nil {
		count, args = "countIf("+t.filter.String()+")", t.filter.args
	}
	received := "arrived_at"
	if t.received {
		received = "received_at"
	}
	query := "SELECT kafka_partition, max(kafka_offset), max(arrived_at), max(" + received + "), " + count + " FROM " + t.table + " WHERE " + f.String() + " GROUP BY kafka_partition"
	return t.each(ctx, "the latest "+t.table, query, slices.Concat(args, f.args), func(rows driver.Rows) error {
		var partition int32
		var offset int64
		var arrived, received time.Time
		var n uint64
		if err := rows.Scan(&partition, &offset, &arrived, &received, &n); err != nil {
			return err
		}
		t.positions[partition] = offset
		if wanted != nil {
			*wanted += n
		}
		if arrived.After(t.newest) {
			t.newest = arrived
		}
		if received.After(t.newestReceived) {
			t.newestReceived = received
		}
		return nil
	})
}

// beyond is the condition that a row lies behind the positions.
func (t *follower) beyond() string {
	if len(t.positions) == 0 {
		return "1"
	}
	return "kafka_offset > " + t.position()
}

// position is the position of a row's partition, -1 where there is none.
func (t *follower) position() string {
	if len(t.positions) == 0 {
		return "-1"
	}
	position := "multiIf("
	for _, p := range slices.Sorted(maps.Keys(t.positions)) {
		position += fmt.Sprintf("kafka_partition = %d, %d, ", p, t.positions[p])
	}
	return position + "-1)"
}
