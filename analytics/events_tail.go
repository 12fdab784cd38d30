package analytics

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

const (
	// tailEventRows is how many events one look shows: the latest. There may be
	// thousands in a second, which nobody reads.
	tailEventRows = 100
	// tailEventSlack is how much later than others an event may be written to be
	// shown: a look goes through a minute of events.
	tailEventSlack = time.Minute
)

// tailEventAges begin with what is read fast; only where little comes is more of it
// looked at.
var tailEventAges = []time.Duration{2 * time.Minute, time.Hour, 24 * time.Hour}

// eventTypes lists the types that events have.
func eventTypes() (names []string) {
	for t := schemas.EventTypeUnknown; t <= schemas.EventTypeUnsuppressed; t++ {
		names = append(names, t.String())
	}
	return names
}

// tailEvents serves events as server-sent events, from now on.
func (a *API) tailEvents(w http.ResponseWriter, r *http.Request) {
	f, err := a.tailEventFilter(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.follow(w, r, followed{table: "events", event: "event", ages: tailEventAges, slack: tailEventSlack, received: true, look: latestEvents}, f)
}

func (a *API) tailEventFilter(r *http.Request) (f filter, err error) {
	if err := knownParams(r, "type", "campaign", "provider"); err != nil {
		return f, err
	}
	f.add("tenant = ?", a.cfg.Tenant)
	if text := r.URL.Query().Get("type"); text != "" {
		types := strings.Split(text, ",")
		for _, name := range types {
			if !slices.Contains(eventTypes(), name) {
				return f, badParam("type", "want one or more, separated by commas, of "+strings.Join(eventTypes(), ", "))
			}
		}
		f.in("type", types)
	}
	f.text(r, "campaign", "campaign_id")
	f.text(r, "provider", "provider")
	return f, nil
}

// latestEvents returns the latest events since the last look, in the order of
// arrival, and says how many it left out.
func latestEvents(ctx context.Context, t *follower) (found []followedRow, err error) {
	f, behind := t.recent(), t.beyond()
	f.add(behind)
	wanted := t.unseen()
	var n uint64
	if err := t.advance(ctx, f, &n); err != nil || n == 0 {
		return nil, err
	}
	// What is written between the two queries is left to the next look.
	wanted.add("kafka_offset <= " + t.position())
	err = t.eachEvent(ctx, wanted, "arrived_at DESC, kafka_partition DESC, kafka_offset DESC", tailEventRows, func(e *Event) {
		found = append(found, followedRow{e.ID, e})
	})
	slices.Reverse(found)
	if left := n - min(n, uint64(len(found))); left > 0 && err == nil {
		err = t.write(fmt.Sprintf("event: skipped\ndata: {\"events\":%d}\n\n", left))
	}
	return found, err
}
