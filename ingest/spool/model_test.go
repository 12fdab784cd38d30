package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// model is what a spool must be like: each record that was acknowledged is in it,
// or was sent.
type model struct {
	t    *rapid.T
	fs   *vfs.MemFS
	s    *Spool
	next int

	mu      sync.Mutex
	offered map[string]bool
	acked   map[string]bool
	sent    map[string]int
}

func (m *model) open() {
	s, err := Open(Config{Dir: "/spool", FS: m.fs, SegmentBytes: 400, MaxBytes: 20_000})
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
}

// add appends some records at once. The returned function waits for them.
func (m *model) add(sizes []int) (wait func()) {
	var wg sync.WaitGroup
	for _, size := range sizes {
		m.next++
		r := fmt.Sprintf("%d %s", m.next, strings.Repeat("x", size))
		m.mu.Lock()
		m.offered[r] = true
		m.mu.Unlock()
		s := m.s
		wg.Go(func() {
			err := s.Append([]byte(r))
			m.mu.Lock()
			defer m.mu.Unlock()
			if err == nil {
				m.acked[r] = true
			} else if !errors.Is(err, ErrFull) {
				m.t.Errorf("appending: %v", err)
			}
		})
	}
	return wg.Wait
}

// drain sends until n records were confirmed, one in every so many fails, or
// nothing is left.
func (m *model) drain(n, failEvery int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	calls := 0
	ended := make(chan struct{})
	if m.s.Empty() {
		return
	}
	total := m.s.Stats().Drained + uint64(min(int64(n), m.s.Stats().Records))
	go func() {
		defer close(ended)
		m.s.Drain(ctx, func(record []byte, done func(error)) {
			if calls++; calls%failEvery == 0 {
				done(errors.New("not now"))
				return
			}
			m.mu.Lock()
			m.sent[string(record)]++
			m.mu.Unlock()
			done(nil)
		})
	}()
	for m.s.Stats().Drained < total && !m.s.Empty() {
		time.Sleep(time.Millisecond) // of the bubble's clock
	}
	cancel()
	<-ended
}

// crash kills the machine: what was not synced is there, in part, or not at all.
// Records are in the middle of being appended. What counts as acknowledged is
// what was so before.
func (m *model) crash(sizes []int, unsynced int, seed uint64) {
	wait := m.add(sizes)
	m.mu.Lock()
	acked := make(map[string]bool, len(m.acked))
	for r := range m.acked {
		acked[r] = true
	}
	after := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(seed, 1))})
	m.mu.Unlock()
	wait()
	if err := m.s.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.fs, m.acked = after, acked
	m.open()
}

func (m *model) check() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.acked {
		if m.sent[r] == 0 {
			m.t.Errorf("record %.10q was acknowledged and never sent", r)
		}
	}
	for r := range m.sent {
		if !m.offered[r] {
			m.t.Errorf("record %.10q was made up", r)
		}
	}
}

// TestModel: through appends, drains that fail, crashes and orderly restarts in
// any order, everything acknowledged is sent, and nothing else.
func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The bubble has no Deadline that rapid could ask for.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			m := &model{t: t, fs: vfs.NewCrashableMem(), offered: map[string]bool{}, acked: map[string]bool{}, sent: map[string]int{}}
			m.open()
			defer func() { m.s.Close() }()
			sizes := rapid.SliceOfN(rapid.IntRange(0, 600), 1, 12)
			t.Repeat(map[string]func(*rapid.T){
				"append": func(t *rapid.T) { m.add(sizes.Draw(t, "sizes"))() },
				"drain": func(t *rapid.T) {
					m.drain(rapid.IntRange(1, 20).Draw(t, "records"), rapid.IntRange(7, 30).Draw(t, "fail every"))
				},
				"crash": func(t *rapid.T) {
					m.crash(sizes.Draw(t, "sizes"), rapid.IntRange(0, 100).Draw(t, "unsynced"), rapid.Uint64().Draw(t, "seed"))
				},
				"restart": func(t *rapid.T) {
					if err := m.s.Close(); err != nil {
						t.Fatal(err)
					}
					m.open()
				},
			})
			m.drain(1<<30, 1<<30)
			m.check()
			if names := left(m.s); len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".damaged") }) {
				t.Errorf("left: %q", names)
			}
		})
	})
}

func left(s *Spool) (names []string) {
	all, _ := s.fs.List(s.cfg.Dir)
	for _, name := range all {
		if name != "LOCK" {
			names = append(names, name)
		}
	}
	return names
}
