package analytics

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// mailedRecipient is a recipient of a test.
type mailedRecipient struct {
	domain          string
	c               schemas.Counters
	opened, clicked time.Time
}

// randomRecipients makes recipients; those of dead.de never got a message.
func randomRecipients(rng *rand.Rand, n int) (list []mailedRecipient) {
	days := []int{0, 1, 2, 29, 30, 31, 100, 179, 180, 181, 300} // about what is asked for
	for range n {
		r := mailedRecipient{domain: []string{"gmail.com", "web.de", "dead.de", "gone.fr", "quiet.fr", ""}[rng.IntN(6)]}
		c := &r.c
		c.Messages = 1 + rng.Int64N(8)
		switch r.domain {
		case "dead.de", "gone.fr", "":
			c.HardBounced, c.SoftBounced = c.Messages-1, 1
		case "quiet.fr":
			c.Rejected = c.Messages // Nothing bounced: that is another's matter.
		default:
			c.Delivered = rng.Int64N(c.Messages + 1)
			c.HardBounced = c.Messages - c.Delivered
			c.Complained, c.Unsubscribed = rng.Int64N(5)/4, rng.Int64N(4)/3
			if c.Delivered > 0 && rng.IntN(2) == 0 {
				c.Opened, c.Opens = 1, 1
				c.HumanOpened = rng.Int64N(2)
				r.opened = time.Now().AddDate(0, 0, -days[rng.IntN(len(days))])
				if rng.IntN(3) == 0 {
					c.Clicked, c.HumanClicked, c.Clicks = 1, 1, 1
					r.clicked = time.Now().AddDate(0, 0, -days[rng.IntN(len(days))])
				}
			}
		}
		list = append(list, r)
	}
	return list
}

func TestHygieneEqualsReference(t *testing.T) {
	conn := migrated(t)
	list := randomRecipients(rand.New(rand.NewPCG(3, 3)), 400)
	var records []schemas.Record
	add := func(n int, tenant string, r mailedRecipient, c schemas.Counters) {
		d := schemas.RecipientDelta{RecipientID: numbered(n), RecipientDomain: r.domain, Counters: c, FirstEventAt: epoch, LastEventAt: epoch, LastSentAt: epoch}
		if !r.opened.IsZero() {
			d.LastOpenedAt = schemas.FromTime(r.opened)
		}
		if !r.clicked.IsZero() {
			d.LastClickedAt = schemas.FromTime(r.clicked)
		}
		records = append(records, &schemas.BreakdownDelta{Tenant: tenant, Recipients: []schemas.RecipientDelta{d}})
	}
	for i, r := range list {
		add(i, "default", r, r.c)
		add(i, "default", r, schemas.Counters{}) // A second row of each.
	}
	add(9001, "default", list[0], schemas.Counters{Messages: 1, Delivered: 1})
	add(9001, "default", list[0], schemas.Counters{Messages: -1, Delivered: -1}) // All its messages are another's.
	add(9002, "other", list[0], schemas.Counters{Messages: 5})
	for _, half := range [][]schemas.Record{records[:len(records)/2], records[len(records)/2:]} {
		fill(t, conn, schemas.TopicBreakdownDeltas, half...)
	}
	api := NewAPI(APIConfig{Conn: conn})
	for _, asked := range [][3]int{{3, 180, 3}, {1, 30, 1}, {8, 1, 1000}} {
		var h Hygiene
		ask(t, api, fmt.Sprintf("/v1/hygiene?min_messages=%d&inactive_days=%d&min_domain_recipients=%d", asked[0], asked[1], asked[2]), &h)
		want, dead := expectedHygiene(list, int64(asked[0]), asked[1])
		if !same(h.Counters, want) {
			t.Errorf("%v: %v, want %v", asked, h.Counters, want)
		}
		dead = slices.DeleteFunc(dead, func(d DeadDomain) bool { return d.Recipients < int64(asked[2]) })
		if fmt.Sprint(names(h.DeadDomains)) != fmt.Sprint(names(dead)) || h.DeadDomainCount != int64(len(dead)) {
			t.Errorf("%v: dead are %v, want %v", asked, names(h.DeadDomains), names(dead))
		}
		if share := h.Rates["never_engaged_of_enough"]; want["enough"] > 0 && (share == nil || *share != float64(want["never_engaged"])/float64(want["enough"])) {
			t.Errorf("%v: a share of %v", asked, realCell(share))
		}
		for _, c := range h.Conditions {
			if _, counted := h.Counters[c.Name]; !counted || len(h.Conditions) != len(want) {
				t.Errorf("%s is told and not counted", c.Name)
			}
		}
	}
	var h Hygiene
	ask(t, api, "/v1/hygiene?limit=1&min_domain_recipients=1", &h)
	if len(h.DeadDomains) != 1 || h.DeadDomainCount != 2 || h.DeadDomainRecipients <= h.DeadDomains[0].Recipients || h.DeadDomains[0].LastSentAt == nil {
		t.Errorf("one dead domain of two: %+v", h)
	}
}

func names(dead []DeadDomain) (list []string) {
	for _, d := range dead {
		list = append(list, fmt.Sprint(d.Domain, " ", d.Recipients, " ", d.Messages, " ", d.HardBounced, " ", d.SoftBounced))
	}
	return list
}

func expectedHygiene(list []mailedRecipient, enough int64, days int) (Counts, []DeadDomain) {
	want := Counts{}
	for _, name := range strings.Fields("recipients delivered undelivered enough never_engaged inactive active hard_bounced complained unsubscribed") {
		want[name] = 0
	}
	since := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -days)
	byDomain := map[string]*DeadDomain{}
	for _, r := range list {
		engaged := r.c.HumanOpened+r.c.HumanClicked > 0
		last := r.opened
		if r.clicked.After(last) {
			last = r.clicked
		}
		for name, holds := range map[string]bool{
			"recipients": true, "delivered": r.c.Delivered > 0, "undelivered": r.c.Delivered == 0, "enough": r.c.Delivered >= enough,
			"never_engaged": r.c.Delivered >= enough && !engaged, "inactive": r.c.Delivered >= enough && engaged && last.Before(since),
			"active": engaged && !last.Before(since), "hard_bounced": r.c.HardBounced > 0, "complained": r.c.Complained > 0, "unsubscribed": r.c.Unsubscribed > 0,
		} {
			if holds {
				want[name]++
			}
		}
		if r.domain == "dead.de" || r.domain == "gone.fr" {
			d := byDomain[r.domain]
			if d == nil {
				d = &DeadDomain{Domain: r.domain}
				byDomain[r.domain] = d
			}
			d.Recipients++
			d.Messages += r.c.Messages
			d.HardBounced += r.c.HardBounced
			d.SoftBounced += r.c.SoftBounced
		}
	}
	var dead []DeadDomain
	for _, d := range byDomain {
		dead = append(dead, *d)
	}
	slices.SortFunc(dead, func(a, b DeadDomain) int {
		if a.Recipients != b.Recipients {
			return int(b.Recipients - a.Recipients)
		}
		return strings.Compare(a.Domain, b.Domain)
	})
	return want, dead
}
