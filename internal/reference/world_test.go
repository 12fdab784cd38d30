package reference_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

var (
	secret   = []byte("a secret of the reference")
	newYork  = zone("America/New_York")
	katmandu = zone("Asia/Kathmandu")
)

func zone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// clockChanges are the last two moments at which the clocks of New York were set.
func clockChanges() (both [2]time.Time) {
	at := time.Now()
	for i := range both {
		at, _ = at.In(newYork).ZoneBounds()
		both[i] = at
		at = at.Add(-time.Second)
	}
	return both
}

// author draws events.
type author struct {
	*rand.Rand
	changes [2]time.Time
	events  []schemas.Event
	ids     uint64
}

func (a *author) one(of ...string) string { return of[a.IntN(len(of))] }

// often is true in one of so many cases.
func (a *author) often(in int) bool { return a.IntN(in) == 0 }

func (a *author) upTo(d time.Duration) time.Duration { return time.Duration(a.Int64N(int64(d))) }

// world draws so many events: of all types, by people and machines, repeated, late
// and early, of several campaigns, accounts, sources, lists and domains, some
// without a campaign, an address or a send.
func world(seed uint64, events int) []schemas.Event {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 1)), changes: clockChanges()}
	for message := 0; len(a.events) < events; message++ {
		a.message(message)
	}
	a.events = a.events[:events]
	// As they are processed: about in the order of arrival.
	place := make(map[*schemas.Event]int64, len(a.events))
	order := make([]*schemas.Event, len(a.events))
	for i := range a.events {
		order[i] = &a.events[i]
		place[order[i]] = int64(order[i].ArrivedAt) + a.Int64N([]int64{1, 60e6, 4 * 3600e6}[a.IntN(3)])
	}
	slices.SortStableFunc(order, func(x, y *schemas.Event) int {
		return int(min(1, max(-1, place[x]-place[y])))
	})
	shuffled := make([]schemas.Event, len(order))
	for i, e := range order {
		shuffled[i] = *e
	}
	return shuffled
}

// domains are of mailbox providers that are known, of some that are not, and of one
// where nothing arrives.
var domains = []string{
	"gmail.com", "gmail.com", "gmail.com", "outlook.com", "hotmail.fr", "yahoo.com", "icloud.com", "gmx.de", "orange.fr", "example.org",
	"example.net", "shop.example", "dead.example",
}

// sentAt is near one of the changes of the clock, or anywhere in the months around.
func (a *author) sentAt() time.Time {
	change := a.changes[a.IntN(2)]
	if a.often(5) {
		return a.changes[1].Add(-20*24*time.Hour + a.upTo(a.changes[0].Sub(a.changes[1])+20*24*time.Hour))
	}
	return change.Add(-36*time.Hour + a.upTo(72*time.Hour))
}

// message draws what happens to one message.
func (a *author) message(number int) {
	who := a.IntN(5000)
	domain := domains[who%len(domains)]
	e := schemas.Event{
		Tenant: "default", Account: a.one("shop", "shop", "news"), Provider: "native", ProviderType: "x",
		MessageID: fmt.Sprintf("m%d", number), Recipient: fmt.Sprintf("R%d@%s", who, domain), RecipientDomain: domain,
		CampaignID: a.one("spring", "spring", "spring", "summer", "autumn", "winter", "welcome", ""),
	}
	switch {
	case number%1500 == 7:
		e.CampaignID = "tiny"
	case domain == "example.net":
		e.CampaignID = "rare"
	}
	e.RecipientID = schemas.RecipientID(secret, e.Recipient)
	if a.often(60) {
		e.Recipient, e.RecipientDomain = "", ""
		e.RecipientID = schemas.RecipientID(secret, "\x00"+e.MessageID)
	}
	at := a.sentAt().Truncate([]time.Duration{time.Second, time.Millisecond}[a.IntN(2)])
	delivered := a.send(e, at, domain == "dead.example")
	if delivered.IsZero() && !a.often(25) {
		return
	}
	if delivered.IsZero() {
		delivered = at
	}
	a.behaviour(e, delivered)
}

// send draws the fate of a message, and returns when it was delivered.
func (a *author) send(e schemas.Event, at time.Time, dead bool) (delivered time.Time) {
	if a.often(2) {
		a.event(e, schemas.EventTypeQueued, at)
	}
	if a.often(3) {
		a.event(e, schemas.EventTypeSent, at.Add(a.upTo(3*time.Second)))
	}
	for a.often(6) {
		a.event(e, schemas.EventTypeDeferred, at.Add(a.upTo(2*time.Hour)))
	}
	failed := func(kind schemas.EventType, at time.Time) {
		e.BounceClass, e.RejectReason = a.one("hard", "soft", "block", ""), a.one("invalid", "timed_out", "blocked", "spam", "")
		a.event(e, kind, at)
	}
	// For an hour a mailbox provider takes nothing.
	since := at.Sub(a.changes[0])
	outage := since > 4*time.Hour && since < 5*time.Hour && a.often(2)
	switch n := a.IntN(100); {
	case outage:
		e.BounceClass, e.RejectReason = "hard", "blocked"
		a.event(e, schemas.EventTypeBounced, at.Add(a.upTo(time.Minute)))
		return time.Time{}
	case dead || n < 4:
		failed(schemas.EventTypeBounced, at.Add(a.upTo(time.Hour)))
		return time.Time{}
	case n < 6:
		failed(schemas.EventTypeRejected, at.Add(a.upTo(time.Minute)))
		return time.Time{}
	case n < 7:
		failed(schemas.EventTypeFailed, at.Add(a.upTo(time.Minute)))
		return time.Time{}
	case n < 10:
		return time.Time{} // nothing more is heard of it
	}
	delivered = at.Add(a.upTo(20 * time.Second))
	a.event(e, schemas.EventTypeDelivered, delivered)
	if a.often(40) {
		a.event(e, schemas.EventTypeDelivered, delivered.Add(a.upTo(time.Minute)))
	}
	if a.often(50) {
		failed(schemas.EventTypeBounced, at.Add(a.upTo(30*time.Hour)))
	}
	return delivered
}

// behaviour draws what a recipient, and the machines before it, do with a message.
func (a *author) behaviour(e schemas.Event, delivered time.Time) {
	if a.often(3) {
		return
	}
	at := delivered.Add(a.lull())
	if a.often(15) {
		at = delivered.Add(-a.upTo(3 * time.Minute)) // by other clocks, or a machine's
	}
	for range a.IntN(7) {
		at = at.Add([]time.Duration{a.upTo(time.Second), a.upTo(time.Minute), a.upTo(5 * time.Hour), a.upTo(20 * 24 * time.Hour)}[a.IntN(4)])
		kind := schemas.EventTypeOpened
		if a.often(3) {
			kind = schemas.EventTypeClicked
		}
		a.event(a.actor(e, kind), kind, at)
	}
	if a.often(25) { // a scanner follows all links
		for link := range 2 + a.IntN(3) {
			s := a.actor(e, schemas.EventTypeClicked)
			s.URL, s.LinkIndex = fmt.Sprintf("https://shop.example/%d", link), int32(link+1)
			a.event(s, schemas.EventTypeClicked, at.Add(a.upTo(1500*time.Millisecond)))
		}
	}
	list := func() schemas.Event {
		l := e
		l.ListID = a.one("", "7", "8")
		return l
	}
	if a.often(20) {
		a.event(list(), schemas.EventTypeUnsubscribed, at.Add(a.upTo(48*time.Hour)))
	}
	if a.often(60) {
		a.event(list(), schemas.EventTypeComplained, at.Add(a.upTo(100*time.Hour)))
	}
	if a.often(80) {
		a.event(list(), schemas.EventType(int(schemas.EventTypeSubscribed)+a.IntN(3)), at.Add(a.upTo(100*time.Hour)))
	}
}

// lull is how long after its delivery a message is first looked at.
func (a *author) lull() time.Duration {
	return a.upTo([]time.Duration{2 * time.Second, 5 * time.Minute, 3 * time.Hour, 40 * time.Hour, 95 * 24 * time.Hour}[a.IntN(5)])
}

// actor draws who opens or clicks.
func (a *author) actor(e schemas.Event, kind schemas.EventType) schemas.Event {
	e.Machine = schemas.Machine(a.IntN(4))
	e.Country, e.ClientName = a.one("FR", "DE", "US", "NP", ""), a.one("Apple Mail", "Outlook", "Gmail image proxy", "Chrome", "")
	e.ClientOS, e.DeviceType = a.one("Windows", "iOS", "Android", ""), a.one("desktop", "mobile", "tablet", "")
	if kind == schemas.EventTypeClicked {
		link := a.IntN(4)
		e.URL, e.LinkIndex = fmt.Sprintf("https://shop.example/%d?to=r%d%%40example.org&c=%d#top", link, a.IntN(50), link), int32(a.IntN(3))
		if a.often(30) {
			e.URL = ""
		}
	}
	return e
}

// event draws the rest of an event, when it arrives, and how often.
func (a *author) event(e schemas.Event, kind schemas.EventType, at time.Time) {
	a.ids++
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], a.ids)
	sum := sha256.Sum256(n[:])
	e.EventID = schemas.ID(sum[:16])
	e.Type, e.OccurredAt = kind, schemas.FromTime(at)
	e.Source = e.Account + a.one("", "", "-backup")
	if a.often(4) {
		e.CampaignID = "" // other events of the message tell
	}
	arrived := e.OccurredAt + schemas.Timestamp(a.lag().Microseconds())
	a.arrive(e, arrived)
	for a.often(10) {
		again := e
		again.Source = e.Account + a.one("", "-backup")
		if a.often(20) { // its own time is not believed
			again.TimeSuspect = true
		}
		a.arrive(again, arrived+schemas.Timestamp([]time.Duration{0, a.upTo(time.Minute), a.upTo(60 * time.Hour)}[a.IntN(3)].Microseconds()))
	}
}

// lag is how long after it happened something arrives: now and then before, or
// after the window is closed.
func (a *author) lag() time.Duration {
	switch n := a.IntN(200); {
	case n < 150:
		return a.upTo(10 * time.Second)
	case n < 180:
		return a.upTo(10 * time.Minute)
	case n < 194:
		return a.upTo(30 * time.Hour)
	case n < 196:
		return 85*24*time.Hour + a.upTo(10*24*time.Hour)
	}
	return -a.upTo(30 * time.Minute)
}

func (a *author) arrive(e schemas.Event, at schemas.Timestamp) {
	e.ArrivedAt, e.ReceivedAt = at, at
	if e.TimeSuspect {
		e.ProviderTime, e.OccurredAt = e.OccurredAt, at
	}
	a.events = append(a.events, e)
}

// The world has in it what the statistics are about.
func TestWorldIsRich(t *testing.T) {
	events := world(1, 20_000)
	seen := map[string]int{}
	ids := map[schemas.ID]int{}
	for i := range events {
		e := &events[i]
		seen["type "+e.Type.String()]++
		seen["machine "+e.Machine.String()]++
		seen["source "+e.Source]++
		seen["list "+e.ListID]++
		seen["campaign "+e.CampaignID]++
		if e.TimeSuspect {
			seen["suspect"]++
		}
		if e.Recipient == "" {
			seen["nobody"]++
		}
		if e.ArrivedAt < e.OccurredAt {
			seen["early"]++
		}
		if e.ArrivedAt-e.OccurredAt > schemas.Timestamp(90*24*time.Hour/time.Microsecond) {
			seen["late"]++
		}
		if ids[e.EventID]++; ids[e.EventID] == 2 {
			seen["repeated"]++
		}
	}
	for kind := schemas.EventTypeQueued; kind <= schemas.EventTypeUnsuppressed; kind++ {
		if seen["type "+kind.String()] == 0 {
			t.Errorf("no event is %s", kind)
		}
	}
	for _, name := range []string{
		"machine unknown", "machine human", "machine proxy", "machine machine", "source shop", "source shop-backup", "list ", "list 7",
		"campaign ", "campaign rare", "suspect", "nobody", "early", "late", "repeated",
	} {
		if seen[name] < 10 {
			t.Errorf("%d events are %s", seen[name], name)
		}
	}
}
