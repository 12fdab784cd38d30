//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// The check must find what it is there for.
func TestDeliveriesAgainstCalls(t *testing.T) {
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	refused, accepted := func(ms int) shopCall { return shopCall{at(ms), false} }, func(ms int) shopCall { return shopCall{at(ms), true} }
	type state struct {
		calls []shopCall
		done  []int // successes recorded
		live  bool
	}
	for name, tt := range map[string]struct {
		state
		missing, double, repeats int64
	}{
		"called once":                          {state{[]shopCall{accepted(10)}, []int{20}, true}, 0, 0, 0},
		"retried":                              {state{[]shopCall{refused(5), accepted(10)}, []int{20}, true}, 0, 0, 0},
		"never called":                         {state{nil, nil, true}, 1, 0, 0},
		"never accepted":                       {state{[]shopCall{refused(5)}, []int{20}, true}, 1, 0, 0},
		"never recorded":                       {state{[]shopCall{accepted(5)}, nil, true}, 1, 0, 0},
		"repeated before it was recorded":      {state{[]shopCall{accepted(5), accepted(10)}, []int{20}, true}, 0, 0, 1},
		"called in the millisecond":            {state{[]shopCall{{at(20).Add(900 * time.Microsecond), true}}, []int{20}, true}, 0, 0, 0},
		"called once more":                     {state{[]shopCall{accepted(5), refused(30)}, []int{20}, true}, 0, 1, 0},
		"recorded twice":                       {state{[]shopCall{accepted(5)}, []int{20, 30}, true}, 0, 1, 0},
		"dead and pending":                     {state{nil, nil, false}, 0, 0, 0},
		"dead, and recorded as if it were not": {state{nil, []int{20}, false}, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			id := schemas.ID{1}
			sent := map[string]sentTrigger{id.String(): {endpoint: shopName(1), at: began}}
			if tt.live {
				sent[id.String()] = sentTrigger{endpoint: shopName(0), at: began, timed: true}
			}
			r := &records{succeeded: map[string]time.Time{}}
			for _, ms := range tt.done {
				r.take(&schemas.Delivery{TriggerID: id, Status: schemas.DeliveryStatusSucceeded}, at(ms))
			}
			res := checkDeliveries(sent, map[string][]shopCall{id.String(): tt.calls}, r)
			if res.missing != tt.missing || res.double != tt.double || res.repeats != tt.repeats {
				t.Errorf("%d missing, %d double, %d repeats, want %d, %d, %d", res.missing, res.double, res.repeats, tt.missing, tt.double, tt.repeats)
			}
			if (tt.missing+tt.double > 0) != (len(res.findings) > 0) {
				t.Errorf("findings %v", res.findings)
			}
		})
	}
	t.Run("a call of no trigger, and one given up", func(t *testing.T) {
		r := &records{succeeded: map[string]time.Time{}}
		r.take(&schemas.Delivery{Status: schemas.DeliveryStatusFailed}, began)
		if res := checkDeliveries(nil, map[string][]shopCall{"x": {accepted(1)}}, r); len(res.findings) != 2 {
			t.Errorf("%v", res.findings)
		}
	})
}
