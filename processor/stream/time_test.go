package stream

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPausesGrowAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{}
		for failures, most := range map[int]time.Duration{
			0: 50 * time.Millisecond, 1: 100 * time.Millisecond, 5: 1600 * time.Millisecond, 10: 30 * time.Second, 1000: 30 * time.Second,
		} {
			began := time.Now()
			s.pause(t.Context(), failures)
			if took := time.Since(began); took > most || took < most*3/4 {
				t.Errorf("%s after %d failures, want up to %s", took, failures, most)
			}
		}
	})
}

func TestQuietStagesWriteFewerMarkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		root, later := &session{lastRecord: now}, &session{lastRecord: now}
		root.w, later.w = &Worker{stage: Stage{Root: true}}, &Worker{}
		check := func(wantRoot, wantLater time.Duration) {
			t.Helper()
			for s, want := range map[*session]time.Duration{root: wantRoot, later: wantLater} {
				s.noteQuiet()
				s.lastMarker = time.Now()
				if got := s.markerInterval(); got != want {
					t.Errorf("root %v: a marker every %s, want %s", s.w.stage.Root, got, want)
				}
				if got := s.pollTime(); got != want {
					t.Errorf("root %v: polls for %s, want %s", s.w.stage.Root, got, want)
				}
			}
		}
		check(frontierInterval, frontierInterval)
		time.Sleep(quietAfter + time.Millisecond)
		check(2*frontierInterval, 4*frontierInterval)
		later.lastRecord = time.Now()
		check(2*frontierInterval, frontierInterval)
	})
}

// A flush that fails on a full disk is tried again thousands of times.
func TestStoreErrorsAreToldOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &pebbleLogger{l: slog.New(slog.NewTextHandler(&out, nil))}
		for range 1000 {
			l.Errorf("no space")
			time.Sleep(errorInterval / 500)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[1], "not_told_before=499") {
			t.Errorf("got %q", lines)
		}
	})
}
