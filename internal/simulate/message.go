package simulate

import (
	"math"
	"strconv"
)

const (
	day = 24 * 3600 // seconds
	// timeline is how long before Now the first campaign goes out, and
	// stagger how much later each further one. All of it lies within 48 hours,
	// the default age up to which rules call anybody.
	timeline = 44 * 3600
	stagger  = 2 * 3600
	// sendSpan is how long sending one campaign takes.
	sendSpan = 1800
)

// message is one message of a campaign to one recipient. Its life is decided
// at once; the events go to the calendar, each at the position of the posting
// order that its time has.
type message struct {
	g        *Generator
	campaign *campaign
	truth    *CampaignTruth
	id       uint64
	position int64 // in the posting order
	late     bool  // its delivery is posted late
	middle   []byte
	email    []byte
	opens    int
	firstAny int64 // first open by anyone; 0: none
	scanned  bool  // a scanner clicked
}

// live decides the message's life and emits its events. sent is the time the
// provider took it.
func (m *message) live(box *mailbox, appetite float64, sent int64) {
	t, r := m.truth, m.g.rng
	t.Messages++
	switch p := r.Float64(); {
	case p < 0.008:
		t.Rejected++
		m.failed("blocked", &blockedFailures[r.IntN(len(blockedFailures))], sent+1+r.Int64N(5), r.IntN(20) == 0)
	case p < 0.022:
		t.HardBounced++
		m.failed("hard", &hardFailures[r.IntN(len(hardFailures))], sent+1+r.Int64N(60), r.IntN(20) == 0)
	case p < 0.031:
		t.SoftBounced++
		m.failed("soft", &softFailures[r.IntN(len(softFailures))], sent+2+r.Int64N(1200), false)
	case p < 0.033:
		t.Deferred++
		m.failed("soft", &greylisted, sent+1+r.Int64N(10), false)
	case p < 0.047:
		m.failed("soft", &greylisted, sent+1+r.Int64N(10), false)
		m.delivered(box, appetite, sent+300+r.Int64N(1500))
	default:
		m.delivered(box, appetite, sent+1+int64(m.logNormal(3, 1)))
	}
}

func (m *message) delivered(box *mailbox, appetite float64, at int64) {
	t, r := m.truth, m.g.rng
	t.Accepted++
	m.accepted(at)
	if r.Float64() < 0.0015 {
		if m.failed("hard", &hardFailures[r.IntN(len(hardFailures))], at+600+r.Int64N(6*3600), false) {
			t.LateBounces++
			t.HardBounced++
			return
		}
	}
	t.Delivered++

	machine24 := m.machines(box, at)
	human24 := m.humans(box, appetite, at)
	if m.opens > 0 {
		t.Opened++
		t.OpenDelaySeconds += m.firstAny - at
	}
	switch {
	case human24:
		t.HumanOpenedWithin24h++
		t.OpenedWithin24h++
	case machine24:
		t.MachineOnlyWithin24h++
		t.OpenedWithin24h++
	}
}

// machines lets privacy proxies and scanners act, and reports whether one of
// them opened the message within 24 hours.
func (m *message) machines(box *mailbox, at int64) (opened bool) {
	r := m.g.rng
	if r.Float64() < box.prefetch {
		n := 1 + r.IntN(10)/9
		for next := at + 2 + r.Int64N(600); n > 0; n-- {
			opened = m.open(next, prefetchAgent) || opened
			next += 60 + r.Int64N(3600)
		}
	}
	if r.Float64() >= box.scan {
		return opened
	}
	agent, next := scanners[r.IntN(len(scanners))], at+1+r.Int64N(4)
	if r.IntN(2) == 0 {
		opened = m.open(next, agent) || opened
	}
	for _, link := range links {
		m.truth.Clicks++ // never beyond Now: seconds after the delivery
		m.click(next+r.Int64N(2), link, agent)
	}
	m.truth.Clicked++
	m.scanned = true
	return opened
}

// humans lets the recipient act, and reports whether he opened the message
// within 24 hours.
func (m *message) humans(box *mailbox, appetite float64, at int64) (within bool) {
	t, r := m.truth, m.g.rng
	if r.Float64() >= box.open*appetite {
		return false
	}
	// Median 2.2 hours; one opener in twelve needs more than a day.
	first := awayFromADay(at, at+20+int64(m.logNormal(2.2*3600, 1.7)))
	opens, next := 0, first
	for {
		agent := browsers[r.IntN(len(browsers))]
		if r.Float64() < box.proxy {
			agent = proxyAgent
		}
		if next > m.g.now {
			break
		}
		within = m.openAt(next, at, agent) || within
		opens++
		if r.Float64() >= 0.35 {
			break
		}
		next = max(next+5, awayFromADay(at, next+5+int64(m.logNormal(3*3600, 1.5))))
	}
	if opens == 0 {
		return false
	}
	t.HumanOpened++
	t.HumanOpens += int64(opens)

	if r.Float64() < 0.14 {
		m.clicks(first)
	}
	switch p := r.Float64(); {
	case p < 0.004:
		if m.unsubscribed(first + 30 + r.Int64N(300)) {
			t.Unsubscribed++
		}
	case p < 0.006:
		if m.complained(first + 60 + r.Int64N(7200)) {
			t.Complained++
		}
	}
	return within
}

// clicks follows one to four links, at a human's pace.
func (m *message) clicks(opened int64) {
	t, r := m.truth, m.g.rng
	agent, n := browsers[r.IntN(len(browsers))], 1+min(r.IntN(4), r.IntN(4))
	done := 0
	for next := opened + 5 + r.Int64N(300); done < n && next <= m.g.now; next += 5 + r.Int64N(120) {
		m.click(next, links[min(r.IntN(len(links)), r.IntN(len(links)))], agent)
		done++
	}
	if done == 0 {
		return
	}
	t.Clicks += int64(done)
	t.HumanClicks += int64(done)
	t.HumanClicked++
	if !m.scanned {
		t.Clicked++
	}
}

// open emits an open by a machine, where it is not beyond Now.
func (m *message) open(at int64, agent string) bool {
	if at > m.g.now {
		return false
	}
	m.openAt(at, at, agent)
	return true
}

// openAt emits an open and reports whether it is within 24 hours of since.
func (m *message) openAt(at, since int64, agent string) bool {
	m.opens++
	m.truth.Opens++
	if m.firstAny == 0 || at < m.firstAny {
		m.firstAny = at
	}
	m.opened(at, agent)
	return at-since <= day
}

// awayFromADay keeps an event two minutes off the border of 24 hours, so that
// nobody's idea of it matters.
func awayFromADay(since, at int64) int64 {
	if d := at - since; d > day-120 && d < day+120 {
		return since + day + 120
	}
	return at
}

func (m *message) logNormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*m.g.rng.NormFloat64())
}

// prepare writes what all events of the message share, from after the time to
// the Payload. Its numbers are strings now and then, and some fields are
// missing, as seen in real webhooks.
func (m *message) prepare(person int64, oddity int) {
	b, c := m.middle[:0], m.campaign
	b = append(b, `,"MessageID":`...)
	b = strconv.AppendUint(b, m.id, 10)
	b = append(b, `,"Message_GUID":"`...)
	b = appendGUID(b, mix(m.id), mix(m.id^0x5bf03635))
	b = append(b, '"')
	b = append(b, m.email...)
	if oddity == 0 {
		b = append(b, `,"mj_campaign_id":"`...)
		b = append(b, c.id...)
		b = append(b, `","mj_contact_id":"`...)
		b = strconv.AppendInt(b, 740_000_000+person, 10)
		b = append(b, '"')
	} else {
		b = append(b, `,"mj_campaign_id":`...)
		b = append(b, c.id...)
		b = append(b, `,"mj_contact_id":`...)
		b = strconv.AppendInt(b, 740_000_000+person, 10)
	}
	b = append(b, `,"customcampaign":"`...)
	b = append(b, c.name...)
	b = append(b, '"')
	if oddity != 1 {
		b = append(b, `,"CustomID":"c-`...)
		b = strconv.AppendInt(b, person, 10)
		b = append(b, `","Payload":`...)
		b = append(b, c.payload...)
	}
	m.middle = b
}

const hexDigits = "0123456789abcdef"

// appendGUID writes 128 bits in the form of a version 4 UUID.
func appendGUID(b []byte, hi, lo uint64) []byte {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	for i := range 32 {
		v := hi
		if i >= 16 {
			v = lo
		}
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[v>>(60-4*(i&15))&15])
	}
	return b
}
