package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

// The job. Its input is events keyed by recipient, in a fixed binary form that
// costs all engines the same to read; big-endian:
//
//	0  recipient  8 bytes
//	8  campaign   8 bytes
//	16 type       1 byte, 1 sent, 2 opened
//	17 event time 8 bytes, milliseconds
//	25 padding    to eventSize
//
// A recipient gets one message. Two results are asked for:
//
//   - triggers: one record for each message that was opened within 24 hours
//     of its send, whatever came first. Key: recipient, value: campaign.
//   - counts: the number of events of each campaign and minute of event time.
//     Key: campaign, minute; value: 8 bytes. The last record of a key is valid.
const (
	eventSize  = 96
	typeSent   = 1
	typeOpened = 2
	day        = int64(24 * time.Hour / time.Millisecond)
	minute     = int64(time.Minute / time.Millisecond)
)

type event struct {
	recipient, campaign uint64
	typ                 byte
	at                  int64
}

func (e event) key() []byte { return binary.BigEndian.AppendUint64(nil, e.recipient) }

func (e event) encode() []byte {
	b := make([]byte, eventSize)
	binary.BigEndian.PutUint64(b, e.recipient)
	binary.BigEndian.PutUint64(b[8:], e.campaign)
	b[16] = e.typ
	binary.BigEndian.PutUint64(b[17:], uint64(e.at))
	// Text compresses to about a half; so does this.
	for i := 25; i < eventSize; i++ {
		b[i] = 'a' + byte((e.recipient>>(i%5*7)^uint64(i)*e.campaign)&15)
	}
	return b
}

func decodeEvent(b []byte) (event, error) {
	if len(b) != eventSize {
		return event{}, fmt.Errorf("decoding event: %d bytes, want %d", len(b), eventSize)
	}
	return event{
		recipient: binary.BigEndian.Uint64(b),
		campaign:  binary.BigEndian.Uint64(b[8:]),
		typ:       b[16],
		at:        int64(binary.BigEndian.Uint64(b[17:])),
	}, nil
}

// message is the state of a recipient. It does not depend on the order of the
// events: of each kind the earliest counts.
type message struct {
	sent, opened int64 // milliseconds, 0 not seen
	fired        bool
}

const messageSize = 17

func decodeMessage(b []byte) message {
	if len(b) != messageSize {
		return message{}
	}
	return message{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), b[16] == 1}
}

func (m message) encode() []byte {
	b := make([]byte, messageSize)
	binary.BigEndian.PutUint64(b, uint64(m.sent))
	binary.BigEndian.PutUint64(b[8:], uint64(m.opened))
	if m.fired {
		b[16] = 1
	}
	return b
}

// add takes an event in and tells whether the message fires with it.
func (m *message) add(e event) bool {
	at := &m.sent
	if e.typ == typeOpened {
		at = &m.opened
	}
	if *at == 0 || e.at < *at {
		*at = e.at
	}
	if m.fired || m.sent == 0 || m.opened == 0 || m.opened > m.sent+day {
		return false
	}
	m.fired = true
	return true
}

// windowKey is a campaign and a minute of event time.
type windowKey struct {
	campaign uint64
	minute   int64 // its number since 1970
}

func (e event) window() windowKey { return windowKey{e.campaign, e.at / minute} }

func (k windowKey) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), k.campaign)
	return binary.BigEndian.AppendUint64(b, uint64(k.minute))
}

func decodeWindowKey(b []byte) (windowKey, error) {
	if len(b) != 16 {
		return windowKey{}, fmt.Errorf("decoding window key: %d bytes, want 16", len(b))
	}
	return windowKey{binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:]))}, nil
}

// generate calls emit for n events: 50 campaigns that send 500 messages a
// second, of which 60 % are opened, mostly within minutes, some after more
// than a day, some again, and 3 % of them before their send was reported.
func generate(n int, emit func(event)) {
	const campaigns, perSecond = 50, 500
	rnd := rand.New(rand.NewPCG(7, 11))
	// Lately, and all in the past: Kafka Streams gives its records these times,
	// by which the broker refuses records and deletes them.
	began := time.Now().Truncate(24*time.Hour).AddDate(0, 0, -3).UnixMilli()
	later := map[int][]event{} // by the message they come after
	after := func(i int, e event) {
		i += 1 + rnd.IntN(min(n/5+1, 100_000))
		later[i] = append(later[i], e)
	}
	left := n
	put := func(e event) {
		if left > 0 {
			left--
			emit(e)
		}
	}
	for i := 0; left > 0; i++ {
		sent := event{uint64(i + 1), rnd.Uint64N(campaigns) + 1, typeSent, began + int64(i)*1000/perSecond}
		open := sent
		open.typ = typeOpened
		switch r := rnd.Float64(); {
		case r < 0.03:
			open.at += 1000
			put(open)
		case r < 0.50:
			open.at += 1000 + int64(rnd.ExpFloat64()*float64(10*minute))
			after(i, open)
		case r < 0.60:
			open.at += rnd.Int64N(2 * day)
			after(i, open)
		}
		put(sent)
		for _, e := range later[i] {
			put(e)
			if rnd.IntN(4) == 0 {
				e.at += 30_000
				put(e)
			}
		}
		delete(later, i)
	}
}

// results are what an engine has put out, or what it should have.
type results struct {
	triggers map[[2]uint64]int // recipient, campaign: how often
	counts   map[windowKey]uint64
}

func newResults() *results {
	return &results{triggers: map[[2]uint64]int{}, counts: map[windowKey]uint64{}}
}

// recompute gets the results from the events directly, in its own way: all the
// times of a message are kept and looked at in the end.
func recompute(events []event) *results {
	r := newResults()
	sent, opens := map[[2]uint64]int64{}, map[[2]uint64][]int64{}
	for _, e := range events {
		r.counts[e.window()]++
		id := [2]uint64{e.recipient, e.campaign}
		if e.typ == typeSent {
			sent[id] = e.at
		} else {
			opens[id] = append(opens[id], e.at)
		}
	}
	for id, ats := range opens {
		for _, at := range ats {
			if s, ok := sent[id]; ok && at <= s+day {
				r.triggers[id] = 1
			}
		}
	}
	return r
}

// difference says how other is not what r is, "" if it is.
func (r *results) difference(other *results) string {
	for id := range r.triggers {
		if other.triggers[id] != 1 {
			return fmt.Sprintf("trigger of recipient %d, campaign %d: %d times", id[0], id[1], other.triggers[id])
		}
	}
	if len(r.triggers) != len(other.triggers) {
		return fmt.Sprintf("%d triggers, want %d", len(other.triggers), len(r.triggers))
	}
	for k, n := range r.counts {
		if other.counts[k] != n {
			return fmt.Sprintf("campaign %d, minute %d: %d events, want %d", k.campaign, k.minute, other.counts[k], n)
		}
	}
	if len(r.counts) != len(other.counts) {
		return fmt.Sprintf("%d windows, want %d", len(other.counts), len(r.counts))
	}
	return ""
}
