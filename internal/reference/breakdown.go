package reference

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// Value is what is counted by: a value of the dimension, and more of it where the
// dimension has that.
type Value struct{ Value, Detail string }

// Breakdown counts messages by a dimension.
type Breakdown map[Value]schemas.Counters

func (b Breakdown) add(v Value, c schemas.Counters) {
	n := b[v]
	Add(&n, c)
	b[v] = n
}

// Domains counts all of a message at the domain of its recipient.
func Domains(messages []*Message) Breakdown {
	b := Breakdown{}
	for _, m := range messages {
		b.add(Value{Value: m.Domain}, Count(m, Ever))
	}
	return b
}

// Reasons counts messages that bounced, were rejected or failed, by domain and why.
func Reasons(messages []*Message) Breakdown {
	b := Breakdown{}
	for _, m := range messages {
		if m.Failed() {
			c := schemas.Counters{Messages: 1}
			*outcomeOf(m, &c) = 1
			if m.LateBounce {
				c.LateBounces = 1
			}
			b.add(Value{m.Domain, m.Outcome.String() + "/" + m.BounceClass + "/" + m.RejectReason}, c)
		}
	}
	return b
}

// By counts opens and clicks by something that these events have, and each message
// once for each value that it was opened or clicked with.
func By(messages []*Message, of func(Event) (v Value, counts bool)) Breakdown {
	b := Breakdown{}
	for _, m := range messages {
		own := Breakdown{}
		for _, e := range m.Events {
			if v, counts := of(e); counts && (e.Type == schemas.EventTypeOpened || e.Type == schemas.EventTypeClicked) {
				c := schemas.Counters{}
				countEvent(&c, e)
				own.add(v, c)
			}
		}
		for v, c := range own {
			c.Opened, c.HumanOpened, c.Clicked, c.HumanClicked = any1(c.Opens), any1(c.HumanOpens), any1(c.Clicks), any1(c.HumanClicks)
			b.add(v, c)
		}
	}
	return b
}

func any1(n int64) int64 { return min(n, 1) }

// Links counts clicks by link, without what is personal in it, and by its position
// in the message.
func Links(messages []*Message) Breakdown {
	return By(messages, func(e Event) (Value, bool) {
		position := ""
		if e.LinkIndex != 0 {
			position = strconv.Itoa(int(e.LinkIndex))
		}
		return Value{Impersonal(e.URL), position}, e.Type == schemas.EventTypeClicked
	})
}

// Countries, Clients, Systems and Devices count opens and clicks by where and with
// what they were made; empty is unknown.
func Countries(messages []*Message) Breakdown {
	return By(messages, func(e Event) (Value, bool) { return Value{Value: e.Country}, true })
}

func Clients(messages []*Message) Breakdown {
	return By(messages, func(e Event) (Value, bool) { return Value{Value: e.ClientName}, true })
}

func Systems(messages []*Message) Breakdown {
	return By(messages, func(e Event) (Value, bool) { return Value{Value: e.ClientOS}, true })
}

func Devices(messages []*Message) Breakdown {
	return By(messages, func(e Event) (Value, bool) { return Value{Value: e.DeviceType}, true })
}

// Machines counts opens and clicks by who made them: human, proxy (a person behind
// an image proxy), machine or unknown.
func Machines(messages []*Message) Breakdown {
	b := By(messages, func(e Event) (Value, bool) {
		if e.Machine {
			return Value{Value: "machine"}, true
		}
		return Value{Value: e.Event.Machine.String()}, true
	})
	for v, c := range b {
		b[v] = schemas.Counters{Opens: c.Opens, Clicks: c.Clicks, Opened: c.Opened, Clicked: c.Clicked}
	}
	return b
}

// Impersonal is a link without user, fragment and those parameters that hold an
// address or are longer than 32 bytes.
func Impersonal(link string) string {
	link, _, _ = strings.Cut(link, "#")
	base, query, has := strings.Cut(link, "?")
	if scheme, rest, ok := strings.Cut(base, "://"); ok {
		host, path, slash := strings.Cut(rest, "/")
		host = host[strings.LastIndex(host, "@")+1:]
		if base = scheme + "://" + host; slash {
			base += "/" + path
		}
	}
	if !has {
		return base
	}
	var params []string
	for p := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(p, "="); len(value) > 32 || strings.Contains(value, "@") || strings.Contains(value, "%40") {
			p = name + "=-"
		}
		params = append(params, p)
	}
	return base + "?" + strings.Join(params, "&")
}

// DelayBucket is where the bucket of a delay begins and ends, in milliseconds: a
// millisecond wide below 64 ms, above at most a 32nd of where it begins.
func DelayBucket(ms int64) (from, to int64) {
	width := int64(1)
	if n := bits.Len64(uint64(ms)); n > 6 {
		width = 1 << (n - 6)
	}
	return ms / width * width, ms/width*width + width
}

// AgeHours are where the buckets of the time since the send begin.
var AgeHours = []int64{0, 1, 2, 3, 6, 12, 24, 48, 72, 96, 120, 144, 168, 336, 720, 1440, 2160}

// AgeBucket is the bucket, in hours, of something that happened so long after the
// send; what happened before it is in the first.
func AgeBucket(age schemas.Timestamp) (hours int64) {
	for _, from := range AgeHours {
		if age >= schemas.Timestamp(from)*Hour {
			hours = from
		}
	}
	return hours
}
