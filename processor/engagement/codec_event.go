package engagement

import (
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// Bits of the number before what follows of an event. Those of most events come
// first: so they fit in a byte.
const (
	bitSuspect  = 1 << iota
	bitCampaign // the event names the message's campaign
	bitSource
	bitCountry
	bitDevice
	bitClient
	bitOS
	bitURL
	bitListID
	bitBounceClass
	bitRejectReason
	bitLinkIndex
	bitOtherCampaign // it names the one that follows
)

// eventTexts are the texts of an event, in the order of their bits, which begin
// with bitSource.
func eventTexts(e *trigger.Event) [9]*string {
	return [...]*string{&e.Source, &e.Country, &e.DeviceType, &e.ClientName, &e.ClientOS, &e.URL, &e.ListID, &e.BounceClass, &e.RejectReason}
}

// appendEvents appends the events of a state.
func (s *state) appendEvents(b []byte, version byte) []byte {
	last, campaign := s.last, s.campaign()
	var texts texts
	for i := range s.events {
		e := &s.events[i]
		if version < stateVersion {
			b = appendOldEvent(b, e, last, campaign)
		} else {
			b = appendEvent(b, e, last, campaign, &texts)
		}
		last = e.OccurredAt
	}
	return b
}

func (s *state) readEvents(r *reader, last schemas.Timestamp) {
	campaign := s.campaign()
	var texts texts
	for i := range s.events {
		e := &s.events[i]
		if r.version < stateVersion {
			readOldEvent(r, e, last, campaign)
		} else {
			readEvent(r, e, last, campaign, &texts)
		}
		last = e.OccurredAt
		if r.version == stateVersion1 {
			e.CampaignID = campaign
			s.see(e.ArrivedAt)
		}
	}
}

func appendEvent(b []byte, e *trigger.Event, last schemas.Timestamp, campaign string, texts *texts) []byte {
	b = append(b, e.ID[:]...)
	b = append(b, byte(e.Type)<<2|byte(e.Machine))
	b = avro.AppendLong(b, int64(e.OccurredAt-last))
	b = avro.AppendLong(b, int64(e.ArrivedAt-e.OccurredAt))
	bits := 0
	if e.TimeSuspect {
		bits = bitSuspect
	}
	all := eventTexts(e)
	for i, s := range all {
		if *s != "" {
			bits |= bitSource << i
		}
	}
	if e.LinkIndex != 0 {
		bits |= bitLinkIndex
	}
	switch e.CampaignID {
	case "":
	case campaign:
		bits |= bitCampaign
	default:
		bits |= bitOtherCampaign
	}
	b = avro.AppendLong(b, int64(bits))
	for _, s := range all {
		if *s != "" {
			b = texts.append(b, *s)
		}
	}
	if bits&bitLinkIndex != 0 {
		b = avro.AppendLong(b, int64(e.LinkIndex))
	}
	if bits&bitOtherCampaign != 0 {
		b = texts.append(b, e.CampaignID)
	}
	return b
}

func readEvent(r *reader, e *trigger.Event, last schemas.Timestamp, campaign string, texts *texts) {
	r.Fixed(e.ID[:])
	kind := r.small(int32(eventTypes) << 2)
	e.Type, e.Machine = schemas.EventType(kind>>2), schemas.Machine(kind&3)
	e.OccurredAt = last + schemas.Timestamp(r.Long())
	e.ArrivedAt = e.OccurredAt + schemas.Timestamp(r.Long())
	bits := r.Long()
	e.TimeSuspect = bits&bitSuspect != 0
	for i, s := range eventTexts(e) {
		if bits&(bitSource<<i) != 0 {
			*s = texts.read(r)
		}
	}
	if bits&bitLinkIndex != 0 {
		e.LinkIndex = r.Int()
	}
	switch {
	case bits&bitCampaign != 0:
		e.CampaignID = campaign
	case bits&bitOtherCampaign != 0:
		e.CampaignID = texts.read(r)
	}
}

// texts are those that the events of a state have had, the first so many: a text
// that comes again is written as its place, which is negative as no length is.
type texts struct {
	known [32]string
	n     int
}

func (t *texts) append(b []byte, s string) []byte {
	for i := range t.n {
		if t.known[i] == s {
			return avro.AppendLong(b, -1-int64(i))
		}
	}
	t.learn(s)
	return avro.AppendString(b, s)
}

func (t *texts) read(r *reader) string {
	n := r.Long()
	if n >= 0 {
		s := r.Text(n)
		t.learn(s)
		return s
	}
	if at := -1 - n; at < int64(t.n) {
		return t.known[at]
	}
	r.tooLong = true
	return ""
}

func (t *texts) learn(s string) {
	if t.n < len(t.known) {
		t.known[t.n] = s
		t.n++
	}
}
