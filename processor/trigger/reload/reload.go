// Package reload puts changed rules in force while the stages run.
//
// The files are watched by their folders, since editors and deployments replace
// files rather than write them, and looked at every few seconds besides, for file
// systems that tell nothing. What was found is taken once it has been the same
// for a moment, so that a file is not read while it is being written. Rules are
// checked as a whole before they replace the ones in force: with one mistake in
// any file all stays as it was.
package reload

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/processor/trigger"
)

// What Config has by default.
const (
	DefaultPoll  = 10 * time.Second
	DefaultQuiet = 250 * time.Millisecond
)

// Config configures a Watcher.
type Config struct {
	// Paths are the rules' files; a path may be a glob.
	Paths []string
	// Live is what the rules are put in force in.
	Live *trigger.Live
	// Check, where set, finds what is wrong with rules that are well-formed, such
	// as an endpoint that is not configured.
	Check func(*trigger.Set) error
	// Poll is the time between two looks where nothing tells of a change. 0:
	// DefaultPoll.
	Poll time.Duration
	// Quiet is how long files must stay the same before they are read. 0:
	// DefaultQuiet.
	Quiet      time.Duration
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// Watcher reloads rules.
type Watcher struct {
	c       Config
	asked   chan struct{}
	metrics *metrics
	fs      *fsnotify.Watcher // nil: polls only
	seen    digest            // of the files as they were last judged

	mu     sync.Mutex
	status Status
}

// Status is what came of the last reload.
type Status struct {
	// Rules is how many are in force, Since when they were loaded.
	Rules int       `json:"rules"`
	Since time.Time `json:"since"`
	// Problem says why what the files hold now is not in force; empty: it is.
	Problem   string    `json:"problem,omitempty"`
	ProblemAt time.Time `json:"problem_at,omitzero"`
}

// Load loads the rules, puts them in force and returns the Watcher that goes on
// from there. It returns all errors of the files, joined.
func Load(c Config) (*Watcher, error) {
	c.Poll, c.Quiet = cmp.Or(c.Poll, DefaultPoll), cmp.Or(c.Quiet, DefaultQuiet)
	w := &Watcher{c: c, asked: make(chan struct{}, 1), metrics: newMetrics(c.Registerer)}
	w.seen, _ = digestOf(c.Paths)
	set, err := w.read()
	if err != nil {
		return nil, err
	}
	w.accept(set)
	return w, nil
}

// Reload has the files read again, whether they have changed or not. It does not
// wait.
func (w *Watcher) Reload() {
	select {
	case w.asked <- struct{}{}:
	default: // it was asked to already
	}
}

// Status returns what came of the last reload.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Check is the readiness of the rules: those in force go on, so it is ready even
// where those in the files are refused, and says so.
func (w *Watcher) Check() (ok bool, detail string) {
	s := w.Status()
	if s.Problem != "" {
		return true, fmt.Sprintf("%d rules of %s stay in force, since the files have errors: %s", s.Rules, s.Since.UTC().Format(time.RFC3339), s.Problem)
	}
	return true, fmt.Sprintf("%d rules", s.Rules)
}

// Run reloads until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	changed, closeFS := w.watch()
	defer closeFS()
	poll := time.NewTicker(w.c.Poll)
	defer poll.Stop()
	for forced := false; ; {
		// First of all too: what changed before the folders were watched was not heard.
		w.look(ctx, changed, forced)
		w.watchFolders() // some may be new
		forced = false
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		case <-changed:
		case <-w.asked:
			forced = true
		}
	}
}

// look reads the files if they have changed, or if it is forced to, once they
// stay the same.
func (w *Watcher) look(ctx context.Context, changed <-chan struct{}, forced bool) {
	d, _ := digestOf(w.c.Paths)
	for forced || d != w.seen {
		if !w.quiet(ctx, changed) {
			return
		}
		again, empty := digestOf(w.c.Paths)
		if again != d {
			d = again
			continue
		}
		set, err := w.read()
		if after, _ := digestOf(w.c.Paths); after != d {
			d = after // changed while it was read: what was read may be of no moment
			continue
		}
		w.seen, forced = d, false
		if err == nil {
			err = w.emptied(empty)
		}
		if err != nil {
			w.refuse(err)
			return
		}
		w.accept(set)
	}
}

// quiet waits until nothing was heard of the files for a moment; false when ctx
// has ended.
func (w *Watcher) quiet(ctx context.Context, changed <-chan struct{}) bool {
	t := time.NewTimer(w.c.Quiet)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-changed:
			t.Reset(w.c.Quiet)
		case <-t.C:
			return true
		}
	}
}

func (w *Watcher) read() (*trigger.Set, error) {
	set, err := trigger.Load(w.c.Paths...)
	if err == nil && w.c.Check != nil {
		err = w.c.Check(set)
	}
	return set, err
}

// emptied refuses files that held rules and hold nothing at all: somebody has cut
// them off and is about to write, or has lost them.
func (w *Watcher) emptied(files []string) error {
	for _, r := range w.c.Live.Load().Rules() {
		for _, file := range files {
			if strings.HasPrefix(r.Position, file+":") {
				return fmt.Errorf("%s: is empty, and held rule %s; for no rules write rules: []", file, r.Name)
			}
		}
	}
	return nil
}

// accept puts rules in force and says what has changed.
func (w *Watcher) accept(set *trigger.Set) {
	n, now := len(set.Rules()), time.Now()
	w.metrics.accepted(n)
	if c := compare(w.c.Live.Load(), set); !w.Status().Since.IsZero() {
		w.c.Logger.Info("rules reloaded", "rules", n, "added", c.added, "removed", c.removed, "changed", c.changed)
	}
	w.setStatus(Status{Rules: n, Since: now})
	w.c.Live.Store(set)
}

// refuse keeps the rules in force.
func (w *Watcher) refuse(err error) {
	s := w.Status()
	s.Problem, s.ProblemAt = err.Error(), time.Now()
	w.metrics.refused()
	w.c.Logger.Error("rules have errors and are not reloaded: those of before stay in force", "rules", s.Rules, "error", err)
	w.setStatus(s)
}

func (w *Watcher) setStatus(s Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = s
}
