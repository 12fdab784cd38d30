package simulate

import (
	"bytes"
	"strconv"
)

// begin starts an event in the calendar and returns the buffer to append to;
// end must follow.
func (m *message) begin(name string, at int64) []byte {
	return m.beginAfter(m.g.postingDelay(m.campaign, at), name, at)
}

// beginAfter starts an event that is posted that many slots after its message.
func (m *message) beginAfter(slots int64, name string, at int64) []byte {
	g := m.g
	g.slot = g.calendar.at(m.position + slots)
	b := append(g.slot.bytes, `{"event":"`...)
	b = append(b, name...)
	b = append(b, `","time":`...)
	return strconv.AppendInt(b, at, 10)
}

func (m *message) end(b []byte, open bool) {
	b = append(b, '}')
	m.g.slot.add(b, open)
	m.g.truth.UniqueEvents++
}

// accepted emits the delivery. For a late message it is posted after what
// follows from it.
func (m *message) accepted(at int64) {
	delay := m.g.postingDelay(m.campaign, at)
	if m.late {
		delay = m.g.calendar.size() / 2
	}
	b := m.beginAfter(delay, "sent", at)
	b = append(b, m.middle...)
	b = append(b, `,"mj_message_id":"`...)
	b = strconv.AppendUint(b, m.id, 10)
	b = append(b, `","smtp_reply":"sent (250 2.0.0 OK `...)
	b = strconv.AppendInt(b, at, 10)
	b = append(b, ` fa5si`...)
	b = strconv.AppendUint(b, m.id%1_000_000, 10)
	b = append(b, `wjc.199 - gsmtp)"`...)
	m.end(b, false)
}

// failed emits a bounce or a block; it reports whether it happened by Now.
func (m *message) failed(kind string, f *failure, at int64, noEmail bool) bool {
	if at > m.g.now {
		return false
	}
	name := "bounce"
	if kind == "blocked" {
		name = "blocked"
	}
	b := m.begin(name, at)
	if noEmail {
		b = appendWithout(b, m.middle, m.email)
	} else {
		b = append(b, m.middle...)
	}
	switch kind {
	case "hard":
		b = append(b, `,"blocked":true,"hard_bounce":true`...)
	case "soft":
		b = append(b, `,"blocked":false,"hard_bounce":false`...)
	}
	b = append(b, `,"error_related_to":"`...)
	b = append(b, f.related...)
	b = append(b, `","error":"`...)
	b = append(b, f.text...)
	b = append(b, '"')
	if f.comment != "" {
		b = append(b, `,"comment":"`...)
		b = append(b, f.comment...)
		b = append(b, '"')
	}
	m.end(b, false)
	return true
}

func (m *message) opened(at int64, agent string) {
	b := m.begin("open", at)
	if m.g.rng.IntN(200) == 0 {
		// An open that does not know its campaign: the delivery does.
		b = m.appendUnknownCampaign(b)
	} else {
		b = append(b, m.middle...)
	}
	m.end(m.appendActor(b, agent), true)
}

func (m *message) click(at int64, link, agent string) {
	b := m.begin("click", at)
	b = append(b, m.middle...)
	b = append(b, `,"url":"`...)
	b = append(b, link...)
	b = append(b, '"')
	m.end(m.appendActor(b, agent), false)
}

func (m *message) unsubscribed(at int64) bool {
	if at > m.g.now {
		return false
	}
	b := m.begin("unsub", at)
	b = append(b, m.middle...)
	b = append(b, `,"mj_list_id":1`...)
	m.end(m.appendActor(b, browsers[m.g.rng.IntN(len(browsers))]), false)
	return true
}

func (m *message) complained(at int64) bool {
	if at > m.g.now {
		return false
	}
	b := m.begin("spam", at)
	b = append(b, m.middle...)
	b = append(b, `,"source":"JMRPP"`...)
	m.end(b, false)
	return true
}

// appendActor writes who acted from where: addresses of the documentation
// ranges.
func (m *message) appendActor(b []byte, agent string) []byte {
	v := m.g.rng.Uint64()
	switch v & 3 {
	case 0:
		b = append(b, `,"ip":"2001:db8:`...)
		b = strconv.AppendUint(b, v>>8&0xffff, 16)
		b = append(b, "::"...)
		b = strconv.AppendUint(b, v>>24&0xffff|1, 16)
	case 1:
		b = append(b, `,"ip":"192.0.2.`...)
		b = strconv.AppendUint(b, v>>8&0xff, 10)
	case 2:
		b = append(b, `,"ip":"198.51.100.`...)
		b = strconv.AppendUint(b, v>>8&0xff, 10)
	default:
		b = append(b, `,"ip":"203.0.113.`...)
		b = strconv.AppendUint(b, v>>8&0xff, 10)
	}
	b = append(b, `","geo":`...)
	b = append(b, countries[v>>40%uint64(len(countries))]...)
	b = append(b, `,"agent":"`...)
	b = append(b, agent...)
	return append(b, '"')
}

// appendUnknownCampaign writes the message's fields with campaign 0 and no
// name.
func (m *message) appendUnknownCampaign(b []byte) []byte {
	from, c := len(b), m.campaign
	b = append(b, m.middle...)
	for _, r := range [][2]string{
		{`"mj_campaign_id":` + c.id, `"mj_campaign_id":0`},
		{`"mj_campaign_id":"` + c.id + `"`, `"mj_campaign_id":"0"`},
		{`"customcampaign":"` + c.name + `"`, `"customcampaign":""`},
	} {
		b = append(b[:from], bytes.Replace(b[from:], []byte(r[0]), []byte(r[1]), 1)...)
	}
	return b
}

// appendWithout appends s without its first part.
func appendWithout(b, s, part []byte) []byte {
	before, after, _ := bytes.Cut(s, part)
	return append(append(b, before...), after...)
}
