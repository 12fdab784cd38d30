//go:build linux

package main

import (
	"reflect"
	"testing"
)

func TestSameSeedSameSchedule(t *testing.T) {
	for _, plan := range []func(uint64) *schedule{newSchedule, newGatewaySchedule} {
		testSameSeed(t, plan)
	}
}

func testSameSeed(t *testing.T, plan func(uint64) *schedule) {
	a, b, other := plan(7), plan(7), plan(8)
	differs := false
	for range 200 {
		r := a.next()
		if again := b.next(); !reflect.DeepEqual(r, again) {
			t.Fatalf("planned %v, then %v", r, again)
		}
		differs = differs || !reflect.DeepEqual(r, other.next())
	}
	if !differs {
		t.Error("two seeds give one schedule")
	}
}

// A round must not hit a worker or the brokers twice: the faults would be each
// other's targets.
func TestRoundsAreApart(t *testing.T) {
	testRounds(t, newSchedule(3), kinds)
	testRounds(t, newGatewaySchedule(3), gatewayKinds)
}

func testRounds(t *testing.T, s *schedule, kinds []kind) {
	seen := map[string]int{}
	for range 500 {
		r := s.next()
		hitWorkers, hitBrokers := map[int]bool{}, 0
		for _, f := range r {
			k := kindOf(f.Kind)
			seen[f.Kind]++
			switch {
			case k.on == onAll && len(r) > 1:
				t.Fatalf("%s is not alone in its round: %v", f.Kind, r)
			case k.on == onWorker && hitWorkers[f.Worker]:
				t.Fatalf("%s is hit twice: %v", f.target(), r)
			case k.on == onBroker:
				hitBrokers++
			}
			hitWorkers[f.Worker] = true
			if f.Hold < k.least || f.Hold > k.most {
				t.Errorf("%s lasts %s, want %s to %s", f.Kind, f.Hold, k.least, k.most)
			}
		}
		if hitBrokers > 1 {
			t.Fatalf("two brokers are hit at a time: %v", r)
		}
	}
	for _, k := range kinds {
		if seen[k.name] == 0 {
			t.Errorf("%s is never planned", k.name)
		}
	}
}
