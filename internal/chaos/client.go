//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

const (
	// clientSlots bounds the requests that are not answered well yet.
	clientSlots = 1000
	// clientTimeout is longer than a gateway may take to answer.
	clientTimeout = 20 * time.Second
	// drainLimit bounds the wait, after all faults, until the last body is taken.
	drainLimit = time.Minute
)

// client posts bodies at a steady rate, as the providers do: to either gateway,
// again and again until one has answered 2xx, and notes every such answer.
type client struct {
	gateways []*gateway
	senders  []*sender
	seed     uint64
	rate     float64 // events per second
	http     *http.Client
	inFlight []atomic.Int64 // by gateway
	slots    chan struct{}

	ledger
}

// ledger is what the client knows at the end.
type ledger struct {
	mu       sync.Mutex
	bodies   map[[sha256.Size]byte]bool // all that were posted
	acked    map[schemas.ID]*ack        // by the webhook id of the answer
	repeated map[*ack]bool              // answered 2xx without an id: stored before
	statuses map[string]int64           // of the answers that are not 2xx
	answers  int64                      // 2xx
	events   int64                      // distinct ones posted
	left     int64                      // bodies that nobody took in the end
	slowest  time.Duration              // 2xx
	strange  []string                   // answers that say nothing one can hold the gateway to
}

// ack is a body that was acknowledged.
type ack struct {
	source string
	sum    [sha256.Size]byte
	packed bool // the webhook's body is another one: events of an upload
}

func newClient(gs []*gateway, seed uint64, rate int) *client {
	c := &client{
		gateways: gs, seed: seed, rate: float64(rate), inFlight: make([]atomic.Int64, len(gs)), slots: make(chan struct{}, clientSlots),
		http: &http.Client{Timeout: clientTimeout, Transport: &http.Transport{
			MaxIdleConnsPerHost: clientSlots, IdleConnTimeout: time.Minute, DisableCompression: true,
		}},
		ledger: ledger{bodies: map[[sha256.Size]byte]bool{}, acked: map[schemas.ID]*ack{}, repeated: map[*ack]bool{}, statuses: map[string]int64{}},
	}
	for i, g := range gs {
		g.client = c
		g.number = i
	}
	c.senders = newSenders(seed)
	return c
}

// flying counts the requests that a gateway has not answered.
func (c *client) flying(g *gateway) int64 { return c.inFlight[g.number].Load() }

// run posts until ctx ends, and then until all that was begun is taken.
func (c *client) run(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(c.seed, 1))
	next := time.Now()
	posting, stop := context.WithCancel(context.Background())
	defer stop()
	var all sync.WaitGroup
	for ctx.Err() == nil {
		b, err := c.senders[rng.IntN(len(c.senders))].next()
		if err != nil {
			return err
		}
		if late := time.Since(next); late > time.Second {
			next = time.Now() // no burst after a pause
		} else if late < 0 && wait(ctx, -late) != nil {
			break
		}
		next = next.Add(time.Duration(float64(max(1, b.events)) / c.rate * float64(time.Second)))
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			continue // it was never posted
		}
		c.begin(b)
		first := rng.IntN(len(c.gateways))
		all.Go(func() {
			defer func() { <-c.slots }()
			c.post(posting, b, first)
		})
	}
	limit := time.AfterFunc(drainLimit, stop)
	defer limit.Stop()
	all.Wait()
	c.http.CloseIdleConnections()
	return nil
}

func (c *client) begin(b *body) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies[b.sum] = true
	c.events += int64(b.fresh)
}

// post posts a body until it is taken, to one gateway and then the other.
func (c *client) post(ctx context.Context, b *body, at int) {
	for ; ; at = (at + 1) % len(c.gateways) {
		if c.once(ctx, b, at) {
			return
		}
		if wait(ctx, 300*time.Millisecond+rand.N(400*time.Millisecond)) != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.left++
			return
		}
	}
}

// once posts a body and tells whether it was taken.
func (c *client) once(ctx context.Context, b *body, at int) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.gateways[at].listen+b.sender.path(b), bytes.NewReader(b.data))
	if err != nil {
		c.refused("no request: " + err.Error())
		return false
	}
	req.Header.Set("Prefer", "return=representation") // ids, which the topic is searched for
	req.GetBody = nil                                 // the transport is not to repeat it by itself
	b.sender.sign(req, b)
	began := time.Now()
	c.inFlight[at].Add(1)
	defer c.inFlight[at].Add(-1)
	resp, err := c.http.Do(req)
	if err != nil {
		c.refused(noAnswer(err))
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode/100 != 2 {
		c.refused(fmt.Sprint(resp.StatusCode))
		return false
	}
	c.took(b, resp.StatusCode, text, err, time.Since(began))
	return true
}

// noAnswer names what became of a request.
func noAnswer(err error) string {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	return "no answer: connection refused or lost"
}

func (c *client) refused(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses[why]++
}

// took notes that a body is durable: that is what 2xx says, even where the rest
// of the answer got lost.
func (c *client) took(b *body, status int, text []byte, err error, d time.Duration) {
	var answer struct {
		ID  schemas.ID   `json:"webhook_id"`
		IDs []schemas.ID `json:"webhook_ids"`
	}
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	ids := answer.IDs
	if !answer.ID.IsZero() {
		ids = append(ids, answer.ID)
	}
	a := &ack{source: b.source(), sum: b.sum, packed: b.sender.packed}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers++
	c.slowest = max(c.slowest, d)
	for _, id := range ids {
		if other := c.acked[id]; other != nil && *other != *a {
			c.strange = append(c.strange, fmt.Sprintf("webhook id %s was given to two bodies", id))
		}
		c.acked[id] = a
	}
	switch {
	case len(ids) > 0:
	case err != nil || a.packed:
		c.strange = append(c.strange, fmt.Sprintf("answered %d with %q to source %s: %v", status, text, a.source, err))
	default:
		c.repeated[a] = true
	}
}

func (c *client) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d bodies with %d distinct events, acknowledged %d times with %d webhook ids, %d refusals, %d never taken",
		len(c.bodies), c.events, c.answers, len(c.acked), c.refusals(), c.left)
}

// refusedBy counts the requests that were answered with a status.
func (l *ledger) refusedBy(status int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statuses[fmt.Sprint(status)]
}

// refusals counts the requests that were not acknowledged. c.mu is held.
func (l *ledger) refusals() (n int64) {
	for _, count := range l.statuses {
		n += count
	}
	return n
}
