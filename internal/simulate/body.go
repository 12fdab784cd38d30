package simulate

import "slices"

// Kind tells why a body is posted.
type Kind int

// Kinds of bodies.
const (
	Original  Kind = iota // for the first time
	Repeated              // again, over the same URL
	BackupURL             // again, over the backup URL
	Malformed             // broken on its way
)

// Body is what is posted in one request.
type Body struct {
	Data   []byte
	Events int // 0 where malformed
	Kind   Kind
}

type repeat struct {
	due   int64 // body number
	body  Body
	opens int64
}

// Next appends the next body's bytes to dst and returns the body, or false at
// the end. dst may be reused once the body is no longer needed.
func (g *Generator) Next(dst []byte) (Body, bool) {
	if len(g.repeats) > 0 && g.repeats[0].due <= g.bodies {
		return g.repeated(dst), true
	}
	start := len(dst)
	b, opens, ok := g.original(dst)
	if !ok {
		if len(g.repeats) == 0 {
			return Body{}, false
		}
		return g.repeated(dst), true
	}
	g.bodies++
	g.truth.Bodies++
	g.truth.Events += int64(b.Events)
	g.truth.NaiveCallbacks += opens
	g.plan(b, b.Data[start:], opens)
	b.Data = b.Data[start:]
	return b, true
}

// original collects the next events.
func (g *Generator) original(dst []byte) (b Body, opens int64, ok bool) {
	size := g.batchSize()
	array := size > 1 || g.cfg.Batch == 0 && g.rng.IntN(4) == 0
	if array {
		dst = append(dst, '[')
	}
	n := 0
	for n < size {
		for g.reading == nil || g.readFrom == len(g.reading.ends) {
			if g.reading != nil {
				g.reading.clear()
			}
			g.reading, g.readFrom = g.nextSlot(), 0
			if g.reading == nil {
				break
			}
		}
		if g.reading == nil {
			break
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, g.reading.event(g.readFrom)...)
		if g.reading.open[g.readFrom] {
			opens++
		}
		g.readFrom++
		n++
	}
	if array {
		dst = append(dst, ']')
	}
	return Body{Data: dst, Events: n}, opens, n > 0
}

// batchSize draws the number of events of a body: what happened in a second.
func (g *Generator) batchSize() int {
	if g.cfg.Batch > 0 {
		return g.cfg.Batch
	}
	switch p := g.rng.IntN(100); {
	case p < 12:
		return 1
	case p < 50:
		return 2 + g.rng.IntN(19)
	case p < 92:
		return 20 + g.rng.IntN(81)
	default:
		return 100 + g.rng.IntN(51)
	}
}

// plan decides whether the body comes again, whole or broken, a little later.
func (g *Generator) plan(b Body, data []byte, opens int64) {
	p := g.rng.Float64()
	later := repeat{due: g.bodies + 1 + g.rng.Int64N(100), opens: opens, body: Body{Events: b.Events, Kind: Repeated}}
	switch {
	case p < g.cfg.Duplicates:
		later.body.Data = slices.Clone(data)
	case p < g.cfg.Duplicates+g.cfg.Backup:
		later.body.Data, later.body.Kind = slices.Clone(data), BackupURL
	case p < g.cfg.Duplicates+g.cfg.Backup+g.cfg.Malformed:
		later.body, later.opens = Body{Data: g.broke(data), Kind: Malformed}, 0
	default:
		return
	}
	i, _ := slices.BinarySearchFunc(g.repeats, later, func(a, b repeat) int { return int(a.due - b.due) })
	g.repeats = slices.Insert(g.repeats, i, later)
}

// broke returns what a bad network or a proxy makes of a body.
func (g *Generator) broke(data []byte) []byte {
	g.broken++
	switch g.broken % 3 {
	case 1:
		return slices.Clone(data[:len(data)-2-g.rng.IntN(min(len(data)/2, 200))])
	case 2:
		return []byte("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>")
	default:
		return nil
	}
}

func (g *Generator) repeated(dst []byte) Body {
	r := g.repeats[0]
	g.repeats = slices.Delete(g.repeats, 0, 1)
	g.bodies++
	t := &g.truth
	t.Bodies++
	switch r.body.Kind {
	case Malformed:
		t.MalformedBodies++
	case BackupURL:
		t.BackupBodies++
		fallthrough
	default:
		t.RepeatedBodies++
		t.Events += int64(r.body.Events)
		t.DuplicateEvents += int64(r.body.Events)
		t.NaiveCallbacks += r.opens
	}
	start := len(dst)
	r.body.Data = append(dst, r.body.Data...)[start:]
	return r.body
}
