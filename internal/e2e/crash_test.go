package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/broker"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/schemas"
)

// TestKilled kills the services again and again in the middle of their work,
// while a provider posts, and wants every number exact in the end.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	t.Run("apache", func(t *testing.T) {
		killAll(t, testkafka.Start(t, testkafka.Options{}).Brokers())
	})
	t.Run("embedded", func(t *testing.T) {
		b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		killAll(t, b.Addrs())
	})
}

// How often each service is killed, and how many events are posted at least.
const (
	processorKills, gatewayKills, sinkKills = 5, 3, 5

	eventsPerSecond = 1200
	eventsPerRound  = 8500
	leastRounds     = 4
)

func killAll(t *testing.T, brokers []string) {
	seed := uint64(1)
	if text := os.Getenv("POSTHORN_E2E_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("POSTHORN_E2E_SEED: %v", err)
		}
	}
	s := startServices(t, brokers)
	c := &crash{services: s, rng: rand.New(rand.NewPCG(seed, 0x6b696c6c))}
	provider := c.post(seed)

	var strikes []func() bool
	add := func(n int, strike func() bool) {
		for range n {
			strikes = append(strikes, strike)
		}
	}
	add(processorKills, c.killProcessor)
	add(gatewayKills, c.killGateway)
	add(sinkKills, c.killSink)
	c.rng.Shuffle(len(strikes), func(i, j int) { strikes[i], strikes[j] = strikes[j], strikes[i] })
	began := time.Now()
	for _, strike := range strikes {
		c.pass(time.Second)
		for attempt := 1; !strike(); attempt++ {
			if attempt == 20 {
				t.Fatal("20 kills in a row hit no work")
			}
		}
	}
	t.Logf("seed %d: %d kills in %.0f s", seed, c.kills, time.Since(began).Seconds())
	truths := provider.end()
	c.check(truths)
}

// crash is the run of a test.
type crash struct {
	*services
	rng   *rand.Rand
	kills int
}

// pass lets a random time up to limit pass: the moments of the kills are what
// the seed decides.
func (c *crash) pass(limit time.Duration) {
	select {
	case <-time.After(time.Duration(c.rng.Int64N(int64(limit)))):
	case <-c.t.Context().Done():
	}
}

// provider posts simulated campaigns, round after round, until told to end.
type provider struct {
	t      *testing.T
	enough chan struct{}
	done   chan error
	truths []*simulate.Truth
	taken  simulate.Progress
}

func (c *crash) post(seed uint64) *provider {
	p := &provider{t: c.t, enough: make(chan struct{}), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(c.t.Context())
	running := make(chan struct{})
	c.t.Cleanup(func() { cancel(); <-running })
	go func() {
		defer close(running)
		p.done <- p.run(ctx, c.front, seed)
	}()
	return p
}

func (p *provider) run(ctx context.Context, to *front, seed uint64) error {
	for round := 0; ; round++ {
		if round >= leastRounds {
			select {
			case <-p.enough:
				return nil
			default:
			}
		}
		cfg := simulate.DefaultConfig(time.Now())
		// Every round has people and campaigns of its own.
		cfg.Seed, cfg.Campaigns = seed*1000+uint64(round), 2
		cfg.Recipients = simulate.RecipientsFor(eventsPerRound, cfg.Campaigns)
		cfg.Malformed = 0.01
		g, err := simulate.New(cfg)
		if err != nil {
			return err
		}
		taken, err := simulate.Post(ctx, simulate.PostConfig{URL: to.url("main"), BackupURL: to.url("backup"), Rate: eventsPerSecond}, g)
		if err != nil {
			return err
		}
		p.taken.Bodies += taken.Bodies
		p.taken.Events += taken.Events
		p.taken.Retries += taken.Retries
		p.truths = append(p.truths, g.Truth())
	}
}

// end waits until the round is over and returns what is true of them all.
func (p *provider) end() []*simulate.Truth {
	p.t.Helper()
	close(p.enough)
	if err := <-p.done; err != nil {
		p.t.Fatalf("posting: %v", err)
	}
	p.t.Logf("posted %d events in %d bodies, %d of them again after an answer other than 200", p.taken.Events, p.taken.Bodies, p.taken.Retries)
	return p.truths
}

// stages are the groups of the processor and what each reads.
var stages = []struct{ group, topic string }{
	{"normalize", schemas.TopicWebhooks},
	{"engagement", schemas.TopicEventsByRecipient},
	{"campaign", schemas.TopicCampaignDeltas},
	{"delivery", schemas.TopicTriggers},
}

// ends returns the ends of topics.
func (c *crash) ends(topics ...string) kadm.ListedOffsets {
	c.t.Helper()
	var ends kadm.ListedOffsets
	// A broker with too much to do may lose its lead for a moment.
	eventually(c.t, time.Minute, "asking for the ends of topics", func() (err error) {
		if ends, err = c.admin.ListEndOffsets(c.t.Context(), topics...); err == nil {
			err = ends.Error()
		}
		return err
	})
	return ends
}

// committed returns the group's committed offsets.
func (c *crash) committed(group string) kadm.OffsetResponses {
	c.t.Helper()
	offsets, err := c.admin.FetchOffsets(c.t.Context(), group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		c.t.Fatal(err)
	}
	return offsets
}

// behind counts the offsets of a topic from what is committed to ends.
func behind(topic string, committed kadm.OffsetResponses, ends kadm.ListedOffsets) (n int64) {
	for p, end := range ends[topic] {
		from := int64(0)
		if at, ok := committed.Lookup(topic, p); ok {
			from = max(0, at.At)
		}
		n += max(0, end.Offset-from)
	}
	return n
}

// wait polls until check says true, in short steps.
func (c *crash) wait(limit time.Duration, what string, check func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited %s in vain %s", limit, what)
		}
		<-tick.C
	}
}

func (c *crash) kill(p *process) {
	c.t.Helper()
	p.kill()
	c.kills++
}

// relaunch starts a killed process, one time in three a second time after it
// was killed on its way, and returns when.
func (c *crash) relaunch(p *process) time.Time {
	c.t.Helper()
	p.launch()
	if c.rng.IntN(3) == 0 {
		c.pass(700 * time.Millisecond)
		c.kill(p)
		p.launch()
	}
	return time.Now()
}

// killProcessor kills the processor while webhooks are waiting, and tells
// whether the kill left webhooks unprocessed or a transaction open.
func (c *crash) killProcessor() bool {
	// No transactions write to the webhooks' topic: its offsets are webhooks.
	c.wait(time.Minute, "for webhooks", func() bool {
		return behind(schemas.TopicWebhooks, c.committed("normalize"), c.ends(schemas.TopicWebhooks)) > 0
	})
	c.pass(100 * time.Millisecond)
	webhooks := c.ends(schemas.TopicWebhooks)
	c.kill(c.processor)
	left := behind(schemas.TopicWebhooks, c.committed("normalize"), webhooks)
	open := c.transactions(c.t.Context())
	inputs := c.ends(schemas.TopicWebhooks, schemas.TopicEventsByRecipient, schemas.TopicCampaignDeltas, schemas.TopicTriggers)
	began := c.relaunch(c.processor)
	c.wait(time.Minute, "for the processor to come back", func() bool {
		for _, stage := range stages {
			if behind(stage.topic, c.committed(stage.group), inputs) > 0 {
				return false
			}
		}
		return true
	})
	c.t.Logf("processor killed: %d webhooks left, open transactions %v, caught up after %.1f s", left, open, time.Since(began).Seconds())
	return left > 0 || len(open) > 0
}

// killGateway kills the gateway just after a request has reached it, and tells
// whether one was left without an answer.
func (c *crash) killGateway() bool {
	select {
	case <-c.front.begun: // it may be an old one
	default:
	}
	select {
	case <-c.front.begun:
	case <-time.After(time.Minute):
		c.t.Fatal("no request for a minute")
	}
	c.pass(1500 * time.Microsecond)
	open := c.front.unanswered()
	c.kill(c.gateway)
	broken := 0
	for _, p := range open {
		<-p.done
		if p.broken {
			broken++
		}
	}
	webhooks := c.ends(schemas.TopicWebhooks)
	began := c.relaunch(c.gateway)
	c.wait(time.Minute, "for the gateway to come back", func() bool {
		before := int64(0)
		webhooks.Each(func(o kadm.ListedOffset) { before += o.Offset })
		c.ends(schemas.TopicWebhooks).Each(func(o kadm.ListedOffset) { before -= o.Offset })
		return before < 0
	})
	c.t.Logf("gateway killed: %d requests left unanswered, the next webhook was taken after %.1f s", broken, time.Since(began).Seconds())
	return broken > 0
}

// recorded finds the end of a batch in what the sink commits.
var recorded = regexp.MustCompile(` to=(\d+) `)

// batches returns the ranges of offsets, by partition, of the topics' batches
// that are recorded but not known to be in ClickHouse.
func (c *crash) batches() map[string]map[int32][2]int64 {
	c.t.Helper()
	open := map[string]map[int32][2]int64{}
	for _, topic := range analytics.SinkTopics() {
		for p, at := range c.committed("posthorn-sink." + topic + ".0")[topic] {
			found := recorded.FindStringSubmatch(at.Metadata)
			if found == nil {
				continue
			}
			to, err := strconv.ParseInt(found[1], 10, 64)
			if err != nil {
				c.t.Fatal(err)
			}
			if to > at.At {
				if open[topic] == nil {
					open[topic] = map[int32][2]int64{}
				}
				open[topic][p] = [2]int64{at.At, to}
			}
		}
	}
	return open
}

// nextBatch returns as soon as another batch of events is recorded.
func (c *crash) nextBatch() {
	c.t.Helper()
	version := func() (v string) {
		for p, at := range c.committed("posthorn-sink." + schemas.TopicEvents + ".0")[schemas.TopicEvents] {
			if p == 0 {
				v = at.Metadata
			}
		}
		return v
	}
	deadline := time.Now().Add(time.Minute)
	for before := version(); version() == before; {
		if time.Now().After(deadline) {
			c.t.Fatal("no batch for a minute")
		}
	}
}

// rows counts the events of a batch that are in ClickHouse.
func (c *crash) rows(batch map[int32][2]int64) (n uint64) {
	c.t.Helper()
	for p, r := range batch {
		var found uint64
		if err := c.conn.QueryRow(c.t.Context(), `SELECT count() FROM events
WHERE kafka_partition = ? AND kafka_offset >= ? AND kafka_offset < ?`, p, r[0], r[1]).Scan(&found); err != nil {
			c.t.Fatal(err)
		}
		n += found
	}
	return n
}

// killSink kills the sink while it has batches under way, every other time just
// after it has recorded one, and tells whether any was left unfinished.
func (c *crash) killSink() bool {
	c.wait(time.Minute, "for batches", func() bool { return len(c.batches()) > 0 })
	if c.rng.IntN(2) == 0 {
		c.pass(100 * time.Millisecond)
	} else {
		c.nextBatch()
		c.pass(20 * time.Millisecond) // an insert takes about that long
	}
	c.kill(c.sink)
	open := c.batches()
	rows := c.rows(open[schemas.TopicEvents])
	ends := c.ends(analytics.SinkTopics()...)
	began := c.relaunch(c.sink)
	c.wait(time.Minute, "for the sink to come back", func() bool {
		for _, topic := range analytics.SinkTopics() {
			if behind(topic, c.committed("posthorn-sink."+topic+".0"), ends) > 0 {
				return false
			}
		}
		return true
	})
	c.t.Logf("sink killed: unfinished batches of %d topics, that of events with %d rows in, caught up after %.1f s", len(open), rows, time.Since(began).Seconds())
	return len(open) > 0
}

// check compares everything that can be seen from outside with the truth.
func (c *crash) check(truths []*simulate.Truth) {
	t := c.t
	t.Helper()
	var triggers, bodies int64
	for _, truth := range truths {
		triggers += truth.Triggers()
		bodies += truth.Bodies
	}
	eventually(t, 3*time.Minute, "waiting for callbacks", func() error {
		if got := c.shop.Stats().Unique; got < triggers {
			return fmt.Errorf("%d callbacks came, want %d", got, triggers)
		}
		return nil
	})
	began := time.Now()
	out, err := run(t, 2*time.Minute, "verify", "--config", c.config, "--quiet")
	if err != nil || !strings.Contains(out, "RESULT verify_differences 0 rows") {
		t.Errorf("posthorn verify: %v\n%s", err, out)
	}
	var webhooks int64
	c.ends(schemas.TopicWebhooks).Each(func(o kadm.ListedOffset) { webhooks += o.Offset })
	stats := c.shop.Stats()
	t.Logf("verified in %.1f s: %d webhooks for %d bodies, %d callbacks, %d of them again", time.Since(began).Seconds(), webhooks, bodies, stats.Unique, stats.Duplicates)
	if webhooks < bodies {
		t.Errorf("%d webhooks are kept, %d were answered 200", webhooks, bodies)
	}
	for _, truth := range truths {
		for _, campaign := range truth.Campaigns {
			c.checkCampaign(campaign)
		}
	}
	c.checkTriggers(triggers)
	// Killing a process harms no state: it is gone on with, not restored anew.
	if log := string(c.processor.output()); strings.Contains(log, "set aside") {
		t.Error("the processor has set good state aside")
	}
}

// checkCampaign compares what the API says of a campaign.
func (c *crash) checkCampaign(truth simulate.CampaignTruth) {
	t := c.t
	t.Helper()
	resp, err := http.Get(c.api + "/v1/campaigns/" + truth.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var found analytics.CampaignDetail
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("campaign %s: %s: %v", truth.ID, resp.Status, err)
		return
	}
	n := found.Totals
	got := simulate.CampaignTruth{
		ID: found.ID, Name: found.Name, Messages: n.Messages, Accepted: n.Delivered + n.LateBounces,
		Delivered: n.Delivered, Deferred: n.Deferred, Rejected: n.Rejected,
		HardBounced: n.HardBounced, SoftBounced: n.SoftBounced, LateBounces: n.LateBounces,
		Opened: n.Opened, HumanOpened: n.HumanOpened, Opens: n.Opens, HumanOpens: n.HumanOpens,
		Clicked: n.Clicked, HumanClicked: n.HumanClicked, Clicks: n.Clicks, HumanClicks: n.HumanClicks,
		Unsubscribed: n.Unsubscribed, Complained: n.Complained, OpenDelaySeconds: n.OpenDelayMS / 1000,
		// These are no statistics; the triggers show them.
		OpenedWithin24h: truth.OpenedWithin24h, HumanOpenedWithin24h: truth.HumanOpenedWithin24h, MachineOnlyWithin24h: truth.MachineOnlyWithin24h,
	}
	if got != truth {
		t.Errorf("campaign %s:\n got %+v\nwant %+v", truth.ID, got, truth)
	}
}

// checkTriggers wants each trigger once in ClickHouse and called at least once.
func (c *crash) checkTriggers(want int64) {
	t := c.t
	t.Helper()
	rows, err := c.conn.Query(t.Context(), "SELECT toString(trigger_id) FROM triggers ORDER BY trigger_id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	called := c.shop.IDs()
	if int64(len(ids)) != want || !slices.Equal(ids, called) {
		t.Errorf("%d triggers, %d called, want %d of each with the same ids", len(ids), len(called), want)
	}
	if s := c.shop.Stats(); s.BadSignatures+s.BadRequests > 0 {
		t.Errorf("callbacks: %+v", s)
	}
}
