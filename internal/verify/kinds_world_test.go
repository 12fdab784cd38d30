package verify

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// kindsBegin is when the world of rules of all kinds begins: a Saturday before
// clocks are set forward in Europe.
var kindsBegin = time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)

// actor draws the events of the world of rules of all kinds.
type actor struct {
	*rand.Rand
	events int
	hooks  []posting
}

// posting is a webhook and when it arrives.
type posting struct {
	at   time.Time
	hook *schemas.Webhook
}

func (a *actor) one(of ...string) string { return of[a.IntN(len(of))] }

func (a *actor) upTo(d time.Duration) time.Duration {
	return time.Duration(a.Int64N(int64(d/time.Second))) * time.Second
}

// lag is how long after it happened something arrives; now and then it arrives
// before.
func (a *actor) lag() time.Duration {
	switch n := a.IntN(100); {
	case n < 60:
		return a.upTo(10 * time.Second)
	case n < 80:
		return a.upTo(10 * time.Minute)
	case n < 90:
		return a.upTo(8 * time.Hour)
	case n < 95:
		return a.upTo(80 * time.Hour)
	}
	return -a.upTo(30 * time.Minute)
}

// message draws what happens to a message.
func (a *actor) message(number int) {
	at := kindsBegin.Add(a.upTo(60 * time.Hour))
	facts := map[string]any{
		"message_id": fmt.Sprintf("m%d", number), "recipient": fmt.Sprintf("Reader%d@example.org", a.IntN(5)),
	}
	if c := a.one("spring", "spring", "summer", "winter", ""); c != "" {
		facts["campaign_id"] = c
	}
	for _, sent := range []string{"queued", "sent", "delivered", "delivered"} {
		if a.IntN(3) > 0 {
			a.event(facts, sent, at.Add(a.upTo(20*time.Second)))
		}
	}
	acted := at.Add(a.upTo(4 * time.Hour))
	for range a.IntN(8) {
		acted = acted.Add(a.upTo([]time.Duration{2 * time.Second, time.Minute, time.Hour}[a.IntN(3)]))
		a.event(facts, a.one("opened", "clicked", "clicked"), acted)
	}
	for range a.IntN(3) {
		a.event(facts, a.one("bounced", "bounced", "deferred", "deferred", "complained", "unsubscribed", "subscribed", "unsuppressed", "rejected"), at.Add(a.upTo(30*time.Hour)))
	}
}

// robot draws a message that is clicked and opened so often that not all of it is
// kept in detail.
func (a *actor) robot(times int) {
	at := kindsBegin.Add(a.upTo(20 * time.Hour))
	facts := map[string]any{"message_id": "robot", "recipient": "reader1@example.org", "campaign_id": "spring"}
	a.event(facts, "delivered", at)
	for range times {
		at = at.Add(a.upTo([]time.Duration{time.Minute, 2 * time.Second, 10 * time.Minute}[a.IntN(3)]))
		a.event(facts, a.one("opened", "clicked"), at)
	}
}

// event draws the rest of an event, and how often and when it arrives.
func (a *actor) event(facts map[string]any, kind string, at time.Time) {
	a.events++
	e := map[string]any{"event_id": fmt.Sprintf("e%d", a.events), "type": kind, "occurred_at": at.UnixMicro()}
	for name, value := range facts {
		if name != "campaign_id" || a.IntN(5) > 0 {
			e[name] = value
		}
	}
	if a.IntN(30) == 0 {
		delete(e, "recipient")
	}
	switch kind {
	case "opened", "clicked":
		e["machine"] = a.one("human", "human", "human", "proxy", "machine")
		e["country"] = a.one("FR", "US", "")
		// By numbers, so that what is drawn stays the same.
		e["client_name"], e["client_os"] = []string{"Outlook", "Apple Mail", ""}[a.events%3], []string{"Windows", "iOS"}[a.events%2]
		e["device_type"] = []string{"desktop", "mobile", ""}[a.events/2%3]
		e["ip"] = "192.0.2.1"
	case "bounced":
		e["bounce_class"] = a.one("hard", "soft")
	case "unsubscribed", "subscribed", "unsuppressed":
		e["list_id"] = a.one("", "7", "8")
	}
	if kind == "clicked" {
		e["url"] = "https://shop.example/" + a.one("a", "b", "pay", "c")
		if a.events%4 == 1 {
			e["link_index"] = 1 + a.events%3
		}
		if e["url"] == "https://shop.example/c" {
			e["url"] = fmt.Sprintf("https://shop.example/c?to=reader%d@example.org#top", a.events)
		}
	}
	arrived := at.Add(a.lag())
	a.post(e, arrived)
	for a.IntN(8) == 0 {
		if a.IntN(3) == 0 {
			delete(e, "occurred_at") // then its time is that of its arrival
		}
		a.post(e, arrived.Add(a.upTo([]time.Duration{time.Minute, 3 * time.Hour, 60 * time.Hour}[a.IntN(3)])))
	}
}

func (a *actor) post(event map[string]any, at time.Time) {
	body, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	at = at.Add(time.Duration(a.IntN(1000)) * time.Millisecond)
	n := len(a.hooks)
	a.hooks = append(a.hooks, posting{at, &schemas.Webhook{
		ID: schemas.ID{7, byte(n), byte(n >> 8)}, Tenant: "default", Account: "shop", Source: []string{"own", "own", "backup"}[n%3], Provider: "native",
		ReceivedAt: schemas.FromTime(at), Body: body, CRC32C: schemas.Checksum(body), Verified: "bearer",
	}})
}

// kindsWorld has webhooks that rules of all kinds look at, some of them of a robot.
func kindsWorld(t *testing.T, seed uint64, messages, robot int) *world {
	rules, err := trigger.Parse("kinds.yaml", []byte(kindRules))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, serde: schemas.NewLocalSerde(), rules: rules, secret: []byte("a secret of the tests")}
	w.start()
	a := &actor{Rand: rand.New(rand.NewPCG(seed, 7))}
	for i := range messages {
		a.message(i)
	}
	if robot > 0 {
		a.robot(robot)
	}
	a.sort()
	w.postKinds(a.hooks)
	return w
}

// sort puts the webhooks in the order of their arrival.
func (a *actor) sort() {
	slices.SortStableFunc(a.hooks, func(x, y posting) int { return x.at.Compare(y.at) })
}

func (w *world) postKinds(hooks []posting) {
	for i, p := range hooks {
		w.produce(&kgo.Record{
			Topic: schemas.TopicWebhooks, Partition: int32(i % partitions), Timestamp: p.at,
			Value: w.serde.Append(nil, schemas.TopicWebhooks, p.hook),
		})
	}
}

// chain runs engagement and campaign side by side over what normalize has made of
// the webhooks, in an order of their own, with commits, restarts and a frontier
// that moves as far as the order lets it.
type chain struct {
	*world
	*rand.Rand
	engagement, campaign []*streamtest.Driver
	todo                 [][]arrival         // by partition of engagement
	deltas               [][]*kgo.Record     // for partitions of campaign
	frontiers            []schemas.Timestamp // of engagement
	end                  schemas.Timestamp   // which no frontier passes
	out                  map[string][]*kgo.Record
}

// arrival is an event and the place in the order that it is processed at.
type arrival struct {
	rec   *kgo.Record
	at    schemas.Timestamp
	place int64
}

// runKinds derives all that follows from the webhooks, with a frontier that comes
// to so long after the beginning of the world and no farther.
func (w *world) runKinds(seed uint64, until time.Duration) (out map[string][]*kgo.Record, end schemas.Timestamp) {
	w.t.Helper()
	c := &chain{world: w, Rand: rand.New(rand.NewPCG(seed, 9)), out: map[string][]*kgo.Record{}}
	rules := trigger.NewLive(w.rules)
	webhooks := w.webhooks()
	for p := range int32(partitions) {
		w.runStage(normalize.Stage(normalize.Config{Serde: w.serde, Secret: normalize.OneSecret(w.secret), Webhooks: memoryReader(webhooks)}), p, webhooks, c.out)
		c.engagement = append(c.engagement, c.driver(engagement.Stage(engagement.Config{Serde: w.serde, Rules: rules, Horizon: w.horizon, Retention: w.retention}), p))
		c.campaign = append(c.campaign, c.driver(campaign.Stage(campaign.Config{Serde: w.serde, Rules: rules, Retention: w.retention}), p))
	}
	c.todo, c.deltas, c.frontiers = make([][]arrival, partitions), make([][]*kgo.Record, partitions), make([]schemas.Timestamp, partitions)
	c.end = schemas.FromTime(kindsBegin.Add(until))
	for _, rec := range c.out[schemas.TopicEventsByRecipient] {
		var e schemas.Event
		if err := w.serde.Decode(rec.Value, &e); err != nil {
			w.t.Fatal(err)
		}
		place := int64(e.ArrivedAt) + c.Int64N(1+[]int64{0, 60_000_000, 4 * 3600_000_000}[c.IntN(3)])
		c.todo[rec.Partition] = append(c.todo[rec.Partition], arrival{rec, e.ArrivedAt, place})
	}
	for p := range c.todo {
		slices.SortStableFunc(c.todo[p], func(a, b arrival) int { return int(min(1, max(-1, a.place-b.place))) })
	}
	for c.left() {
		c.step()
	}
	for p := range c.engagement {
		c.advanceTo(p, c.end)
	}
	c.advanceCampaigns()
	for _, drivers := range [][]*streamtest.Driver{c.engagement, c.campaign} {
		for p, d := range drivers {
			c.take(p, d)
		}
	}
	return c.out, c.end
}

func (c *chain) driver(stage stream.Stage, p int32) *streamtest.Driver {
	d, err := streamtest.New(stage, p)
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

func (c *chain) left() bool {
	return slices.ContainsFunc(c.todo, func(left []arrival) bool { return len(left) > 0 })
}

// step processes a few events of one partition of engagement, and sometimes what
// it has told campaigns.
func (c *chain) step() {
	p := c.IntN(partitions)
	n := min(len(c.todo[p]), 1+c.IntN(12))
	for _, a := range c.todo[p][:n] {
		copied := *a.rec
		if err := c.engagement[p].Process(&copied); err != nil {
			c.t.Fatal(err)
		}
	}
	c.todo[p] = c.todo[p][n:]
	switch c.IntN(4) {
	case 0:
		c.commit(c.engagement[p])
	default:
		// All that arrived up to the frontier must have been processed.
		frontier := schemas.Timestamp(0)
		for _, a := range c.todo[p] {
			if frontier == 0 || a.at-1 < frontier {
				frontier = a.at - 1
			}
		}
		if frontier == 0 {
			c.commit(c.engagement[p])
		} else {
			c.advanceTo(p, frontier)
		}
	}
	if c.IntN(30) == 0 {
		if err := c.engagement[p].Restart(); err != nil {
			c.t.Fatal(err)
		}
	}
	c.take(p, c.engagement[p])
	if c.IntN(3) == 0 {
		c.advanceCampaigns()
	}
}

func (c *chain) advanceTo(p int, frontier schemas.Timestamp) {
	frontier = min(frontier, c.end)
	c.frontiers[p] = max(c.frontiers[p], frontier)
	if err := c.engagement[p].Advance(frontier.Time()); err != nil {
		c.t.Fatal(err)
	}
	c.take(p, c.engagement[p])
}

// advanceCampaigns has campaigns process all there is, and then moves their
// frontier to the least of engagement's.
func (c *chain) advanceCampaigns() {
	for p, d := range c.campaign {
		for _, rec := range c.deltas[p] {
			copied := *rec
			if err := d.Process(&copied); err != nil {
				c.t.Fatal(err)
			}
		}
		c.deltas[p] = nil
		if err := d.Advance(slices.Min(c.frontiers).Time()); err != nil {
			c.t.Fatal(err)
		}
		if c.IntN(20) == 0 {
			if err := d.Restart(); err != nil {
				c.t.Fatal(err)
			}
		}
		c.take(p, d)
	}
}

// take takes what a driver has committed.
func (c *chain) take(p int, d *streamtest.Driver) {
	for _, rec := range d.Out {
		if rec.Partition < 0 {
			rec.Partition = kafka.PartitionFor(rec.Key, partitions)
		}
		rec := *rec
		c.out[rec.Topic] = append(c.out[rec.Topic], &rec)
		if rec.Topic == schemas.TopicCampaignDeltas {
			c.deltas[rec.Partition] = append(c.deltas[rec.Partition], &rec)
		}
	}
	d.Out = nil
}

// writeMarkers says in the topics of the stages how far they have come.
func (w *world) writeMarkers(frontier schemas.Timestamp) {
	w.t.Helper()
	said := stream.Progress{Tasks: partitions, Frontiers: map[int32]time.Time{}}
	for p := range int32(partitions) {
		said.Frontiers[p] = frontier.Time()
	}
	for _, topic := range []string{schemas.TopicEventsByRecipient, schemas.TopicCampaignDeltas} {
		for p := range int32(partitions) {
			rec := said.Record()
			rec.Topic, rec.Partition = topic, p
			w.produce(rec)
		}
	}
}
