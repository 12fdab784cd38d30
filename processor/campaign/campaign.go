// Package campaign sums the signed changes of campaigns into windows and
// lifetime totals, and emits a snapshot of each that changed.
//
// A snapshot replaces the one before it. Sums do not depend on the order of
// changes or on how they are cut into transactions. A window that returns to
// zero is emitted with zeros: readers treat it as if it were not there.
//
// Name and first and last event are of the lifetime snapshot alone. The name is
// the greatest of those seen, so that order does not matter. First and last
// event only widen: a message that turns out to belong to another campaign
// leaves them as they are.
//
// A window is closed once arrival time is its retention past its end. Nothing
// changes it any more, its snapshot stays, and the stage forgets it. What came
// too late for it is summed by basis in a total of the campaign, which is kept
// as the lifetime is.
//
// # Rules
//
// Rules of campaigns, rates and counts, are judged on what events have counted
// in steps of arrival time. A step is over, and its end a boundary, when the
// arrival frontier has reached it: then nothing that arrived in it is still to
// come. At each boundary the window before it is summed, and what that says
// depends on the set of events alone, however late it is said. Boundaries are
// looked at by a durable timer for each rule and campaign, and only those at
// which something may change: a campaign without events has none.
package campaign

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/sweep"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// Name is the stage's name.
const Name = "campaign"

// WindowSeconds is the length of the windows that changes come in.
const WindowSeconds = 300

// DefaultRetention is how long after its end a window is closed by default.
const DefaultRetention = 90 * 24 * time.Hour

// storeWindows holds the last snapshot of each window, under its topic's key
// and in its topic's format.
const storeWindows = "windows"

// storeRules holds what rules have counted and said.
const storeRules = "rules"

// Config configures the stage.
type Config struct {
	Serde *schemas.Serde
	// Generation is the one to derive.
	Generation schemas.Generation
	// Retention is how long after its end a window is closed. 0: DefaultRetention.
	// It is that of the engagement stage.
	Retention time.Duration
	// Rules are the rules in force; nil: none. Only those of campaigns are judged
	// here.
	Rules *trigger.Live
}

// Stage returns the stage. Its output has as many partitions as its input.
func Stage(c Config) stream.Stage {
	return stream.Stage{
		Name:       c.Generation.Name(Name),
		Input:      c.Generation.Topic(schemas.TopicCampaignDeltas),
		Stores:     []string{storeWindows, storeRules},
		DeadLetter: schemas.TopicDeadLetters,
		NewTask:    func(int32) (stream.Task, error) { return newTask(c), nil },
	}
}

// Key is the key of a snapshot in its topic; what has no window has the start 0.
func Key(tenant, campaign string, basis schemas.Basis, start schemas.Timestamp) []byte {
	b := make([]byte, 0, len(tenant)+len(campaign)+32)
	b = append(append(b, tenant...), '/')
	b = append(append(b, campaign...), '/')
	b = append(append(b, basis.String()...), '/')
	return strconv.AppendInt(b, int64(start)/1_000_000, 10)
}

type windowKey struct {
	tenant, campaign string
	basis            schemas.Basis
	start            schemas.Timestamp
}

// window is a snapshot in memory.
type window struct {
	key   []byte
	stats schemas.CampaignStatistics
	dirty bool
}

// maxWindows bounds the windows kept in memory between transactions.
const maxWindows = 4096

type task struct {
	serde      *schemas.Serde
	statistics string // topic of the generation
	retention  time.Duration
	sweep      sweep.Sweep
	windows    map[windowKey]*window
	dirty      []*window
	newest     time.Time // of the records of the open transaction
	rules      ruleBook
}

func newTask(c Config) *task {
	t := &task{serde: c.Serde, statistics: c.Generation.Topic(schemas.TopicStatistics), retention: cmp.Or(c.Retention, DefaultRetention), windows: map[windowKey]*window{}}
	t.rules = ruleBook{live: c.Rules, serde: c.Serde, topic: c.Generation.Topic(schemas.TopicTriggers), watches: map[string]*kept{}}
	t.sweep = sweep.Sweep{Store: storeWindows, Expired: t.expired, Delete: t.expire}
	return t
}

// closed tells whether a window is closed at the frontier.
func (t *task) closed(basis schemas.Basis, start schemas.Timestamp, frontier time.Time) bool {
	return basis.Windowed() && !start.Time().Add(WindowSeconds*time.Second+t.retention).After(frontier)
}

// Process adds the changes of one record to their windows.
func (t *task) Process(ctx stream.Context, rec *kgo.Record) error {
	var d schemas.CampaignDelta
	if err := t.serde.Decode(rec.Value, &d); err != nil {
		return stream.Permanent(fmt.Errorf("decoding campaign delta: %w", err))
	}
	if rec.Timestamp.After(t.newest) {
		t.newest = rec.Timestamp
	}
	if err := t.sweep.Start(ctx); err != nil {
		return err
	}
	if err := t.lifetime(ctx, &d); err != nil {
		return err
	}
	for i := range d.Windows {
		k := windowKey{d.Tenant, d.CampaignID, d.Windows[i].Basis, d.Windows[i].WindowStart}
		if t.closed(k.basis, k.start, ctx.Frontier()) {
			// What changes a window stands before the frontier that closes it, unless
			// a broker's clock went back. Then it is late.
			ctx.Late(1)
			k.basis, k.start = k.basis.Late(), 0
		}
		w, err := t.window(ctx, k)
		if err != nil {
			return err
		}
		w.stats.Counters.Add(&d.Windows[i].Counters)
		t.touch(w)
	}
	return t.rules.count(ctx, &d)
}

// lifetime takes what is not a count into the lifetime snapshot.
func (t *task) lifetime(ctx stream.Context, d *schemas.CampaignDelta) error {
	w, err := t.window(ctx, windowKey{tenant: d.Tenant, campaign: d.CampaignID})
	if err != nil {
		return err
	}
	s := &w.stats
	name, first, last := s.CampaignName, s.FirstEventAt, s.LastEventAt
	s.CampaignName = max(name, d.CampaignName)
	if d.FirstEventAt != 0 && (first == 0 || d.FirstEventAt < first) {
		s.FirstEventAt = d.FirstEventAt
	}
	if d.LastEventAt != 0 && (last == 0 || d.LastEventAt > last) {
		s.LastEventAt = d.LastEventAt
	}
	if s.CampaignName != name || s.FirstEventAt != first || s.LastEventAt != last {
		t.touch(w)
	}
	return nil
}

// window returns a window from memory or from its store, or a new one.
func (t *task) window(ctx stream.Context, k windowKey) (*window, error) {
	if w := t.windows[k]; w != nil {
		return w, nil
	}
	w := &window{key: Key(k.tenant, k.campaign, k.basis, k.start)}
	value, err := ctx.Store(storeWindows).Get(w.key)
	if err != nil {
		return nil, fmt.Errorf("reading window: %w", err)
	}
	if value != nil {
		if err := t.serde.Decode(value, &w.stats); err != nil {
			return nil, fmt.Errorf("decoding window %s: %w", w.key, err)
		}
	} else {
		w.stats = schemas.CampaignStatistics{Tenant: k.tenant, CampaignID: k.campaign, Basis: k.basis, WindowStart: k.start}
		if k.basis.Windowed() {
			w.stats.WindowSeconds = WindowSeconds
		}
	}
	t.windows[k] = w
	return w, nil
}

func (t *task) touch(w *window) {
	if !w.dirty {
		w.dirty = true
		t.dirty = append(t.dirty, w)
	}
}

// Timer forgets windows that are closed, or judges a rule on a campaign.
func (t *task) Timer(ctx stream.Context, key []byte, _ time.Time) error {
	if t.sweep.Owns(key) {
		return t.sweep.Timer(ctx)
	}
	return t.rules.timer(ctx, key)
}

// expired tells whether a stored window is closed.
func (t *task) expired(key, value []byte, frontier time.Time) (bool, error) {
	var s schemas.CampaignStatistics
	if err := t.serde.Decode(value, &s); err != nil {
		return false, fmt.Errorf("decoding window %s: %w", key, err)
	}
	k := windowKey{s.Tenant, s.CampaignID, s.Basis, s.WindowStart}
	if w := t.windows[k]; !t.closed(k.basis, k.start, frontier) || w != nil && w.dirty {
		return false, nil // what is dirty is about to be written
	}
	delete(t.windows, k)
	return true, nil
}

func (t *task) expire(ctx stream.Context, key []byte) error {
	ctx.Store(storeWindows).Delete(key)
	return nil
}

// Flush writes and emits each window that changed, once.
func (t *task) Flush(ctx stream.Context) error {
	updated := schemas.FromTime(ctx.Frontier())
	if updated == 0 {
		updated = schemas.FromTime(t.newest)
	}
	for _, w := range t.dirty {
		w.stats.UpdatedAt = updated
		value := t.serde.Append(make([]byte, 0, 128), schemas.TopicStatistics, &w.stats)
		ctx.Store(storeWindows).Put(w.key, value)
		ctx.ProduceTo(&kgo.Record{Topic: t.statistics, Key: slices.Clone(w.key), Value: value}, ctx.Partition())
		w.dirty = false
	}
	t.rules.flush(ctx)
	clear(t.dirty)
	t.dirty, t.newest = t.dirty[:0], time.Time{}
	if len(t.windows) > maxWindows {
		clear(t.windows)
	}
	return nil
}
