package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// A rule that calls more often than its limit allows is paused until a person
// resumes it: it is probably wrong. Counted are the triggers that come in within
// an hour of the clock, by worker: of several each counts those of its
// partitions. Retries do not count.

// tally is how many triggers of a rule have come in on one partition.
type tally struct {
	since int64 // microseconds: the hour's beginning, or later when it was resumed
	count int64
}

// tallyPrefix begins, after 16 zero bytes, the keys of tallies in the store of
// pending calls. No endpoint's name begins so.
const tallyPrefix = "\x00rule/"

func tallyKey(rule string) []byte {
	return append(make([]byte, len(schemas.ID{})), tallyPrefix+rule...)
}

func (y tally) append(dst []byte) []byte {
	return binary.AppendVarint(binary.AppendVarint(dst, y.since), y.count)
}

func parseTally(b []byte) (y tally, err error) {
	c := cursor{rest: b}
	y.since, y.count = c.varint(), c.varint()
	if c.failed || len(c.rest) > 0 {
		return y, errors.New("count of a rule's calls is damaged")
	}
	return y, nil
}

// tallies are those of the worker's partitions, by rule.
type tallies struct {
	mu    sync.Mutex
	by    map[string]map[*generation]tally
	off   map[string]*order // rules that this worker has paused
	limit func(rule string) int
}

func (x *tallies) set(rule string, g *generation, y tally) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.by[rule] == nil {
		x.by[rule] = map[*generation]tally{}
	}
	x.by[rule][g] = y
}

// total is how many of a rule have come in since a time.
func (x *tallies) total(rule string, since int64) (n int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for g, y := range x.by[rule] {
		switch {
		case g.stale():
			delete(x.by[rule], g)
		case y.since >= since:
			n += y.count
		}
	}
	return n
}

// order returns the worker's own order about a rule.
func (x *tallies) order(rule string) *order {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.off[rule] == nil {
		x.off[rule] = &order{}
	}
	return x.off[rule]
}

// paused tells whether calls of a rule are held.
func (d *Delivery) paused(rule string) bool {
	r := d.rule(rule)
	o := d.tallies.order(rule)
	if r.Paused {
		o.clear()
		return true
	}
	return o.holds(r.At)
}

// rule returns what was asked last of a rule.
func (d *Delivery) rule(name string) controls.Rule {
	if s := d.cfg.Controls(); s != nil {
		return s.Rules[name]
	}
	return controls.Rule{}
}

// count counts a trigger that came in, and pauses its rule beyond the limit.
func (t *task) count(ctx stream.Context, rule string, now time.Time) {
	limit := t.d.tallies.limit(rule)
	if limit <= 0 || t.d.paused(rule) {
		return
	}
	from := max(micros(now.Truncate(time.Hour)), micros(t.d.rule(rule).At))
	y := t.tallies[rule]
	if y.since < from {
		y = tally{since: max(from, micros(now))}
	}
	y.count++
	t.tallies[rule] = y
	ctx.Store(StorePending).Put(tallyKey(rule), y.append(nil))
	t.d.tallies.set(rule, t.gen, y)
	if t.d.tallies.total(rule, from) <= int64(limit) {
		return
	}
	at := now.Truncate(time.Microsecond)
	o := t.d.tallies.order(rule)
	o.give(t.gen, at)
	ctx.AfterCommit(o.commit)
	reason := fmt.Sprintf("more than its limit of %d calls an hour", limit)
	ctx.Produce(controls.Rule{Name: rule, Paused: true, By: "delivery", At: at, Reason: reason}.Record())
	t.d.cfg.Logger.Error("rule paused: its calls are held until it is resumed (posthorn rules resume)", "rule", rule, "reason", reason)
}

// state reads a value of the store of pending calls that is no pending call.
func (t *task) state(key, value []byte) error {
	name := string(key[len(schemas.ID{}):])
	if rule, is := strings.CutPrefix(name, tallyPrefix); is {
		y, err := parseTally(value)
		if err != nil {
			return fmt.Errorf("rule %s: %w", rule, err)
		}
		t.tallies[rule] = y
		t.d.tallies.set(rule, t.gen, y)
		return nil
	}
	s, err := parseSpan(value)
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", name, err)
	}
	t.spans[name] = s
	if l := t.d.lanes[name]; l != nil && s.url == l.publicURL {
		l.health.set(t.gen, s)
	}
	return nil
}
