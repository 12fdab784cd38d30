package engagement

import (
	"fmt"
	"math"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// Bits of the byte before an event's texts, until version 4.
const (
	eventSuspect = 1 << iota
	eventURL
	eventCountry
	eventListID
	eventBounceClass
	eventRejectReason
	eventCampaign      // the event names the message's campaign
	eventOtherCampaign // it names the one that follows
)

// appendOldEvent writes an event as until version 4: there it has nothing that
// came later. Folded events, of which no text is kept, are written so still.
func appendOldEvent(b []byte, e *trigger.Event, last schemas.Timestamp, campaign string) []byte {
	b = append(b, e.ID[:]...)
	b = append(b, byte(e.Type), byte(e.Machine))
	b = avro.AppendLong(b, int64(e.OccurredAt-last))
	b = avro.AppendLong(b, int64(e.ArrivedAt-e.OccurredAt))
	texts := [...]string{e.URL, e.Country, e.ListID, e.BounceClass, e.RejectReason}
	bits := byte(0)
	if e.TimeSuspect {
		bits = eventSuspect
	}
	for i, s := range texts {
		if s != "" {
			bits |= eventURL << i
		}
	}
	switch e.CampaignID {
	case "":
	case campaign:
		bits |= eventCampaign
	default:
		bits |= eventOtherCampaign
	}
	b = append(b, bits)
	for _, s := range texts {
		if s != "" {
			b = avro.AppendString(b, s)
		}
	}
	if bits&eventOtherCampaign != 0 {
		b = avro.AppendString(b, e.CampaignID)
	}
	return b
}

// appendFolded appends what is kept of a folded event.
func appendFolded(b []byte, e *trigger.Event) []byte {
	return appendOldEvent(b, &trigger.Event{ID: e.ID, Type: e.Type, Machine: e.Machine,
		OccurredAt: e.OccurredAt, ArrivedAt: e.ArrivedAt, TimeSuspect: e.TimeSuspect}, 0, "")
}

// decodeFolded reads what is kept of an event that was folded in a life of its
// message. Version 1 kept no more than that it was.
func decodeFolded(b []byte, s *state) (e trigger.Event, err error) {
	if len(b) == 1 {
		return trigger.Event{ArrivedAt: s.first, OccurredAt: math.MinInt64}, nil
	}
	r := reader{Reader: avro.NewReader(b), size: len(b)}
	readOldEvent(&r, &e, 0, "")
	if err := r.end(); err != nil {
		return e, fmt.Errorf("decoding folded event: %w", err)
	}
	return e, nil
}

func readOldEvent(r *reader, e *trigger.Event, last schemas.Timestamp, campaign string) {
	r.Fixed(e.ID[:])
	e.Type = schemas.EventType(r.small(int32(schemas.EventTypeUnsuppressed) + 1))
	e.Machine = schemas.Machine(r.small(int32(schemas.MachineMachine) + 1))
	e.OccurredAt = last + schemas.Timestamp(r.Long())
	e.ArrivedAt = e.OccurredAt + schemas.Timestamp(r.Long())
	bits := byte(r.small(math.MaxUint8))
	e.TimeSuspect = bits&eventSuspect != 0
	for i, s := range [...]*string{&e.URL, &e.Country, &e.ListID, &e.BounceClass, &e.RejectReason} {
		if bits&(eventURL<<i) != 0 {
			*s = r.String()
		}
	}
	switch {
	case bits&eventCampaign != 0:
		e.CampaignID = campaign
	case bits&eventOtherCampaign != 0:
		e.CampaignID = r.String()
	}
}
