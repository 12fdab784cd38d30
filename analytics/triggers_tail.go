package analytics

import (
	"context"
	"net/http"
	"time"
)

const (
	// tailRows is how many triggers one look takes; the next goes on from there.
	tailRows = 1000
	// tailAge is how old a trigger may be in arrival time to be shown as a new one.
	tailAge = 24 * time.Hour
)

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
	a.follow(w, r, followed{table: "triggers", event: "trigger", ages: []time.Duration{tailAge}, slack: tailAge, look: nextTriggers}, f)
}

// nextTriggers returns the next triggers in the order of partitions and offsets:
// none is left out.
func nextTriggers(ctx context.Context, t *follower) (found []followedRow, err error) {
	err = t.eachTrigger(ctx, t.unseen(), "kafka_partition, kafka_offset", tailRows, func(trigger *Trigger) {
		found = append(found, followedRow{trigger.ID, trigger})
		p := trigger.position
		t.positions[p.Partition] = max(p.Offset, t.positions[p.Partition])
		if trigger.ArrivedAt.After(t.newest) {
			t.newest = trigger.ArrivedAt
		}
	})
	return found, err
}
