package analytics

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// TestFunnel compares with messages, each with what became of it.
func TestFunnel(t *testing.T) {
	conn := migrated(t)
	known(t, conn, "a")
	rng := rand.New(rand.NewPCG(3, 4))
	parts := []string{schemas.PathDelivered, schemas.PathOpened, schemas.PathHumanOpened, schemas.PathClicked, schemas.PathHumanClicked, schemas.PathUnsubscribed, schemas.PathComplained}
	counts := map[string]int64{} // of messages that have all of a list
	count := func(name string, yes bool) {
		if yes {
			counts[name]++
		}
	}
	var cells []madeCell
	for range 600 {
		has := map[string]bool{}
		var path []string
		for _, part := range parts {
			if has[part] = rng.IntN(3) > 0; has[part] {
				path = append(path, part)
			}
		}
		value := strings.Join(path, schemas.PathJoin)
		if value == "" {
			value = schemas.PathNone
		}
		cells = append(cells, daily("path", "a", value, "2026-01-01", schemas.Counters{Messages: 1}))
		d, o, c, ho, hc := has["delivered"], has["opened"], has["clicked"], has["human_opened"], has["human_clicked"]
		count("messages", true)
		count("delivered", d)
		count("opened", d && o)
		count("clicked", d && o && c)
		count("human_opened", d && ho)
		count("human_clicked", d && ho && hc)
		count("not delivered", !d)
		count("opened not delivered", o && !d)
		count("clicked not opened", d && c && !o)
		count("human clicked not opened", d && hc && !ho)
		count("unsubscribed", d && has["unsubscribed"])
		count("complained", d && has["complained"])
		count("path "+value, true)
	}
	fillCells(t, conn, cells...)
	// A correction takes one back, another campaign and day are not counted.
	fillCells(t, conn,
		daily("path", "a", "delivered+opened", "2026-01-01", schemas.Counters{Messages: -1}),
		daily("path", "a", "delivered", "2026-01-01", schemas.Counters{Messages: 1}),
		daily("path", "b", "delivered", "2026-01-01", schemas.Counters{Messages: 1000}),
		daily("path", "a", "delivered", "2026-01-02", schemas.Counters{Messages: 1000}))
	counts["opened"]--
	counts["path delivered+opened"]--
	counts["path delivered"]++
	var f Funnel
	ask(t, NewAPI(APIConfig{Conn: conn}), "/v1/campaigns/a/funnel?since=2026-01-01&until=2026-01-02", &f)
	for _, steps := range [][]FunnelStep{f.Steps, f.Human} {
		before := FunnelStep{}
		for i, s := range steps {
			if s.Messages != counts[s.Name] || len(s.Requires) != i {
				t.Errorf("%s: %d, want %d", s.Name, s.Messages, counts[s.Name])
			}
			if i > 0 && (*s.OfPrevious != float64(s.Messages)/float64(before.Messages) || *s.OfDelivered != float64(s.Messages)/float64(counts["delivered"])) {
				t.Errorf("%s: shares %v %v", s.Name, *s.OfPrevious, *s.OfDelivered)
			}
			before = s
		}
	}
	if len(f.Steps) != 4 || len(f.Human) != 4 || f.Human[2].Name != "human_opened" {
		t.Errorf("steps %+v %+v", f.Steps, f.Human)
	}
	if want := (FunnelOutside{counts["not delivered"], counts["opened not delivered"], counts["clicked not opened"], counts["human clicked not opened"]}); f.Outside != want {
		t.Errorf("outside %+v, want %+v", f.Outside, want)
	}
	if want := (FunnelAfter{counts["unsubscribed"], counts["complained"]}); f.After != want {
		t.Errorf("after %+v, want %+v", f.After, want)
	}
	var sum int64
	for i, p := range f.Paths {
		value := strings.Join(p.Path, schemas.PathJoin)
		if value == "" {
			value = schemas.PathNone
		}
		if sum += p.Messages; p.Messages != counts["path "+value] || i > 0 && p.Messages > f.Paths[i-1].Messages || *p.Share != float64(p.Messages)/600 {
			t.Errorf("%s: %+v, want %d", value, p, counts["path "+value])
		}
	}
	if sum != 600 || len(f.sheet().rows) != 8+len(f.Paths) {
		t.Errorf("%d in paths, %d rows", sum, len(f.sheet().rows))
	}
}

// TestFunnelOfNothing: shares of nothing are null.
func TestFunnelOfNothing(t *testing.T) {
	conn := migrated(t)
	var f Funnel
	ask(t, NewAPI(APIConfig{Conn: conn}), "/v1/funnel", &f)
	if len(f.Steps) != 4 || f.Steps[1].OfPrevious != nil || f.Steps[3].OfDelivered != nil || f.Paths == nil || len(f.Paths) != 0 {
		t.Errorf("%+v", f)
	}
}
