package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// liveRate is how many events a second arrive while queries run.
const liveRate = 10_000

// live is a stream of events at a fixed rate, with probes among them.
type live struct {
	tail    *tailReader
	path    string // of the tail, to begin again
	out     *producing
	made    atomic.Int64
	began   time.Time
	probes  probes
	repeats int // of the tail
}

// run writes transactions of a tail on time until ctx ends. Where the tail ends it
// begins again: the same records then come as others.
func (l *live) run(ctx context.Context) error {
	l.began = time.Now()
	var events int64
	for {
		n, records, err := l.tail.next()
		if errors.Is(err, io.EOF) {
			l.tail.close()
			if l.tail, err = openTail(l.path); err != nil {
				return err
			}
			l.repeats++
			continue
		}
		if err != nil {
			return err
		}
		due := l.began.Add(time.Duration(float64(events) / liveRate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			if pause(ctx, wait) != nil {
				return nil
			}
		} else if ctx.Err() != nil {
			return nil
		}
		events += n
		l.made.Add(n)
		if err := l.out.produce(ctx, append(records, l.probes.next()...)); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// rate is how many events a second were really written.
func (l *live) rate() float64 { return float64(l.made.Load()) / time.Since(l.began).Seconds() }

// probes are records of a campaign of their own, which show how long it takes
// until what was produced can be queried: one in each table that pages read, with
// every transaction.
type probes struct {
	mu   sync.Mutex
	sent []time.Time // by number, from 1
}

const probeCampaign = "freshness-probe"

// probeStart is when the first probe occurred; each is a second later.
var probeStart = schemas.FromTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))

func (p *probes) next() []*kgo.Record {
	p.mu.Lock()
	p.sent = append(p.sent, time.Now())
	n := len(p.sent)
	p.mu.Unlock()
	at := schemas.FromTime(time.Now())
	var id schemas.ID
	half := mix(uint64(at))
	for i := range id {
		id[i] = byte(half >> (i % 8 * 8))
	}
	number := probeStart + schemas.Timestamp(n)*1_000_000
	event := schemas.Event{
		EventID: id, RecipientID: id, Tenant: "default", Account: probeCampaign, Source: probeCampaign, Provider: "mailjet",
		Type: schemas.EventTypeDelivered, ProviderType: "sent", OccurredAt: number, ReceivedAt: at, ArrivedAt: at,
		MessageID: fmt.Sprint(n), CampaignID: probeCampaign,
	}
	message := schemas.Message{
		Tenant: "default", Account: probeCampaign, Provider: "mailjet", MessageID: fmt.Sprint(n), RecipientID: id,
		CampaignID: probeCampaign, SentAt: number, FirstEventAt: number, LastEventAt: number, LastArrivedAt: at, Revision: 1,
	}
	statistics := schemas.CampaignStatistics{Tenant: "default", CampaignID: probeCampaign, Counters: schemas.Counters{Messages: int64(n)}, UpdatedAt: at}
	delta := schemas.BreakdownDelta{Tenant: "default", CampaignID: probeCampaign, Cells: []schemas.BreakdownCell{{
		Dimension: schemas.DimensionLink, Value: "probe", Basis: schemas.BasisSendTime, Counters: schemas.Counters{Clicks: 1},
	}}}
	key := []byte("default/" + probeCampaign)
	return []*kgo.Record{
		{Topic: schemas.TopicEvents, Key: id[:], Value: serde.Append(nil, schemas.TopicEvents, &event)},
		{Topic: schemas.TopicMessages, Key: fmt.Append(key, n), Value: serde.Append(nil, schemas.TopicMessages, &message)},
		{Topic: schemas.TopicStatistics, Key: key, Value: serde.Append(nil, schemas.TopicStatistics, &statistics)},
		{Topic: schemas.TopicBreakdownDeltas, Key: key, Value: serde.Append(nil, schemas.TopicBreakdownDeltas, &delta)},
	}
}

// probeQueries tell the number of the last probe that a table has.
var probeQueries = []struct{ table, query string }{
	{"events", `SELECT toInt64(max(toUnixTimestamp64Micro(occurred_at))) FROM events WHERE tenant = 'default' AND campaign_id = '` + probeCampaign + `'`},
	{"messages", `SELECT toInt64(max(toUnixTimestamp64Micro(assumeNotNull(sent_at)))) FROM messages WHERE tenant = 'default' AND account = '` + probeCampaign + `' AND campaign_id = '` + probeCampaign + `'`},
	{"campaign_statistics", `SELECT toInt64(max(messages)) FROM campaign_statistics WHERE tenant = 'default' AND basis = 'lifetime' AND campaign_id = '` + probeCampaign + `'`},
	{"breakdowns", `SELECT toInt64(sum(clicks)) FROM breakdowns WHERE tenant = 'default' AND dimension = 'link' AND campaign_id = '` + probeCampaign + `'`},
}

// freshness is how long it took until what was produced could be queried, in
// seconds.
type freshness struct {
	All    distribution            // in every table
	Tables map[string]distribution // in one
	Rate   float64                 // events a second
}

// measureFreshness looks again and again at which probes can be seen. How often
// bounds how exact it is; a probe counts as seen when the answer is there.
func measureFreshness(ctx context.Context, conn driver.Conn, l *live, d time.Duration) (*freshness, error) {
	l.probes.mu.Lock()
	first := len(l.probes.sent)
	l.probes.mu.Unlock()
	seen := make([]int, len(probeQueries))
	for i := range seen {
		seen[i] = first
	}
	delays := make([][]float64, len(probeQueries))
	var all []float64
	slowest := first
	bar := newProgress("freshness", d.Seconds(), "s")
	for began := time.Now(); time.Since(began) < d; {
		for i, q := range probeQueries {
			var n int64
			if err := conn.QueryRow(ctx, q.query).Scan(&n); err != nil {
				return nil, fmt.Errorf("looking for probes in %s: %w", q.table, err)
			}
			if n > 1<<40 {
				n = (n - int64(probeStart)) / 1_000_000
			}
			now := time.Now()
			l.probes.mu.Lock()
			for ; seen[i] < min(int(n), len(l.probes.sent)); seen[i]++ {
				delays[i] = append(delays[i], now.Sub(l.probes.sent[seen[i]]).Seconds())
			}
			for ; slowest < least(seen); slowest++ {
				all = append(all, now.Sub(l.probes.sent[slowest]).Seconds())
			}
			l.probes.mu.Unlock()
		}
		bar.at(time.Since(began).Seconds(), fmt.Sprintf("%d probes", len(all)))
		if err := pause(ctx, 40*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("of %d probes none could be queried in all tables within %s: the sink does not get on; seen in %s: %v", len(l.probes.sent), d, probeQueries, seen)
	}
	bar.end(d.Seconds(), "")
	f := &freshness{All: distributionOf(all), Tables: map[string]distribution{}, Rate: l.rate()}
	for i, q := range probeQueries {
		f.Tables[q.table] = distributionOf(delays[i])
	}
	return f, nil
}

func least(v []int) int {
	m := v[0]
	for _, n := range v[1:] {
		m = min(m, n)
	}
	return m
}
