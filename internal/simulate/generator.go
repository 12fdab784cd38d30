package simulate

import (
	"math/rand/v2"
	"strconv"
)

// Generator makes the bodies. It is not safe for concurrent use.
type Generator struct {
	cfg   Config
	now   int64 // unix seconds
	rng   *rand.Rand
	truth Truth

	campaigns []campaign
	boxes     []float64 // cumulative shares of mailboxes
	idBase    uint64
	position  int64 // messages generated so far
	messages  int64 // messages to generate
	calendar  *calendar

	msg  message
	slot *slot // of the event being written

	drained  int64 // slots fully read
	reading  *slot
	readFrom int // next event of reading
	bodies   int64
	repeats  []repeat
	broken   int
}

type campaign struct {
	id, name, payload string
	start             int64
	appetite          float64
}

// New makes a generator.
func New(cfg Config) (*Generator, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	g := &Generator{
		cfg: cfg, now: cfg.Now.Unix(),
		rng:      rand.New(rand.NewPCG(cfg.Seed, 0x706f7374686f726e)),
		messages: int64(cfg.Campaigns) * int64(cfg.Recipients),
	}
	g.calendar = newCalendar(g.messages)
	// What happens depends on the seed alone; the ids on the time too, so that
	// a second run is new campaigns to the same people.
	ids := rand.New(rand.NewPCG(cfg.Seed, uint64(g.now)))
	g.idBase = 104_000_000_000_000_000 + ids.Uint64N(1<<40)<<16
	firstCampaign := 1_000_000 + ids.IntN(1_000_000_000)
	for i := range cfg.Campaigns {
		name := campaignNames[i%len(campaignNames)]
		if i >= len(campaignNames) {
			name += "-" + strconv.Itoa(i/len(campaignNames)+1)
		}
		g.campaigns = append(g.campaigns, campaign{
			id: strconv.Itoa(firstCampaign + i), name: name, payload: payloads[g.rng.IntN(len(payloads))],
			start: g.now - timeline + int64(i%4)*stagger, appetite: 0.85 + 0.3*g.rng.Float64(),
		})
		g.truth.Campaigns = append(g.truth.Campaigns, CampaignTruth{ID: g.campaigns[i].id, Name: name})
	}
	sum := 0.0
	for _, b := range mailboxes {
		sum += b.share
		g.boxes = append(g.boxes, sum)
	}
	return g, nil
}

// Truth is what is true of the bodies generated so far; it is complete once
// Next has returned false. Until then the events still to come are counted in
// the campaigns already.
func (g *Generator) Truth() *Truth { return &g.truth }

// Messages is the number of messages in all, and how many of them have been
// generated: the progress of the generator.
func (g *Generator) Messages() (generated, total int64) { return g.position, g.messages }

// nextSlot generates messages until the next slot of the posting order is
// complete, and returns it; nil at the end.
func (g *Generator) nextSlot() *slot {
	if g.position < g.messages {
		g.message(g.position)
		g.position++
	} else if g.drained >= g.messages+g.calendar.size() {
		return nil
	}
	s := g.calendar.at(g.drained)
	g.drained++
	return s
}

// message generates message number n.
func (g *Generator) message(n int64) {
	ci, person := int(n/int64(g.cfg.Recipients)), n%int64(g.cfg.Recipients)
	c, m := &g.campaigns[ci], &g.msg
	// A person keeps address and mailbox provider over the campaigns.
	h := mix(g.cfg.Seed ^ uint64(person)*0x9e3779b97f4a7c15)
	box := &mailboxes[0]
	for i, p := 0, float64(h>>11)/(1<<53)*g.boxes[len(g.boxes)-1]; i < len(g.boxes); i++ {
		if box = &mailboxes[i]; p < g.boxes[i] {
			break
		}
	}
	*m = message{
		g: g, campaign: c, truth: &g.truth.Campaigns[ci], position: n, middle: m.middle,
		id:    g.idBase + uint64(n)*13 + mix(g.idBase+uint64(n))%13,
		email: appendEmail(m.email[:0], mix(h), person, box.domain),
		late:  g.cfg.Disorder > 0 && g.rng.Float64() < g.cfg.Disorder,
	}
	m.prepare(person, g.rng.IntN(150))
	m.live(box, c.appetite, c.start+person*sendSpan/int64(g.cfg.Recipients))
}

func appendEmail(b []byte, h uint64, person int64, domain string) []byte {
	b = append(b, `,"email":"`...)
	b = append(b, firstNames[h%uint64(len(firstNames))]...)
	b = append(b, '.')
	b = append(b, lastNames[h>>32%uint64(len(lastNames))]...)
	b = strconv.AppendInt(b, person, 10)
	b = append(b, '@')
	b = append(b, domain...)
	return append(b, '"')
}

// postingDelay spreads the timeline over the calendar: how many slots after
// its message an event at that time is posted.
func (g *Generator) postingDelay(c *campaign, at int64) int64 {
	usable := g.calendar.size() - 1
	return min((at-c.start)*usable/timeline+g.rng.Int64N(8), usable)
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
