package engagement

import (
	"bytes"
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// model computes, naively and from all events at once, what the stage must end
// with. It shares nothing with the stage but the record types.
func model(all []schemas.Event) output { return modelOf(all, DefaultHorizon, DefaultRetention) }

func modelOf(all []schemas.Event, horizon, retention time.Duration) output {
	out := newOutput()
	groups := map[string][]schemas.Event{}
	for _, e := range all {
		id := e.MessageID
		if id == "" {
			id = "~" + e.CampaignID
		}
		k := e.Tenant + "/" + e.Account + "/" + id + "/" + e.RecipientID.String()
		groups[k] = append(groups[k], e)
	}
	for k, versions := range groups {
		for _, life := range modelLives(versions, horizon) {
			events := modelSet(life)
			m := modelMessage(life, events)
			out.messages[k] = m // the last one stays
			for _, e := range events {
				out.events[e.EventID]++
			}
			modelCounters(out.counters, modelCampaign, &m, events)
			modelLate(out.counters, modelCampaign, &m, events, retention)
			modelBreakdowns(&out.sums, &m, life, events)
		}
	}
	for dimension, by := range modelAbove {
		modelSumAbove(&out.sums, dimension, by, groups, horizon, retention)
	}
	maps.DeleteFunc(out.cells, func(_ cellKey, c schemas.Counters) bool { return c == schemas.Counters{} })
	maps.DeleteFunc(out.counters, func(_ countersKey, c schemas.Counters) bool { return c == schemas.Counters{} })
	return out
}

// modelLives cuts what arrived wherever nothing did for the horizon.
func modelLives(versions []schemas.Event, horizon time.Duration) (lives [][]schemas.Event) {
	versions = slices.SortedStableFunc(slices.Values(versions), func(a, b schemas.Event) int { return int(a.ArrivedAt - b.ArrivedAt) })
	for i, e := range versions {
		if i == 0 || e.ArrivedAt.Time().Sub(versions[i-1].ArrivedAt.Time()) >= horizon {
			lives = append(lives, nil)
		}
		lives[len(lives)-1] = append(lives[len(lives)-1], e)
	}
	return lives
}

// modelBy is what a message counts in, and false where it counts in none.
type modelBy func(m *schemas.Message, events []schemas.Event) (string, bool)

func modelCampaign(m *schemas.Message, _ []schemas.Event) (string, bool) {
	if m.CampaignID == "" {
		return "-", true
	}
	return m.CampaignID, true
}

// modelLate moves, window by window, what a message counts because of events
// that arrived after a window was closed.
func modelLate(counters map[countersKey]schemas.Counters, by modelBy, m *schemas.Message, events []schemas.Event, retention time.Duration) {
	for _, x := range []struct{ basis, late schemas.Basis }{
		{schemas.BasisEventTime, schemas.BasisEventTimeLate}, {schemas.BasisSendTime, schemas.BasisSendTimeLate},
	} {
		move := func(from map[countersKey]schemas.Counters, start schemas.Timestamp, sign int64) {
			for k, c := range from {
				if k.basis == x.basis && k.start == start {
					add(counters, k, c, -sign)
					add(counters, countersKey{k.tenant, k.campaign, x.late, 0}, c, sign)
				}
			}
		}
		everything := map[countersKey]schemas.Counters{}
		modelCounters(everything, by, m, events)
		for start := range modelStarts(events) {
			closed := start.Time().Add(5*time.Minute + retention)
			inTime := slices.DeleteFunc(slices.Clone(events), func(e schemas.Event) bool { return !e.ArrivedAt.Time().Before(closed) })
			if len(inTime) == len(events) {
				continue
			}
			move(everything, start, 1)
			if len(inTime) > 0 {
				rest := map[countersKey]schemas.Counters{}
				known := modelMessage(inTime, inTime)
				modelCounters(rest, by, &known, inTime)
				move(rest, start, -1)
			}
		}
	}
}

func modelStarts(events []schemas.Event) map[schemas.Timestamp]bool {
	starts := map[schemas.Timestamp]bool{}
	for _, e := range events {
		starts[schemas.FromTime(e.OccurredAt.Time().Truncate(5*time.Minute))] = true
	}
	return starts
}

func add(counters map[countersKey]schemas.Counters, k countersKey, c schemas.Counters, sign int64) {
	sum, v := counters[k], reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt(sign * v.Field(i).Int())
	}
	sum.Add(&c)
	counters[k] = sum
}

func modelOrder(a, b schemas.Event) int {
	if a.OccurredAt != b.OccurredAt {
		return int(a.OccurredAt - b.OccurredAt)
	}
	return bytes.Compare(a.EventID[:], b.EventID[:])
}

func modelSet(versions []schemas.Event) []schemas.Event {
	byID := map[schemas.ID]schemas.Event{}
	for _, e := range versions {
		if v, ok := byID[e.EventID]; !ok || cmp.Or(cmp.Compare(e.ArrivedAt, v.ArrivedAt), cmp.Compare(e.OccurredAt, v.OccurredAt), cmp.Compare(e.Source, v.Source)) < 0 {
			byID[e.EventID] = e
		}
	}
	var events []schemas.Event
	for _, e := range byID {
		events = append(events, e)
	}
	slices.SortFunc(events, modelOrder)
	return events
}

func modelHuman(e schemas.Event) bool { return e.Machine != schemas.MachineMachine }

// modelSuspicions tells why events are a machine's by the others, given in order.
func modelSuspicions(events []schemas.Event) map[schemas.ID][]string {
	reasons := map[schemas.ID][]string{}
	var clicks []schemas.Event
	var delivery time.Time
	for _, e := range events {
		switch at := e.OccurredAt.Time(); {
		case e.TimeSuspect:
		case e.Type == schemas.EventTypeDelivered && delivery.IsZero():
			delivery = at
		case e.Type == schemas.EventTypeClicked:
			clicks = append(clicks, e)
		}
	}
	for _, e := range events {
		after, click := e.OccurredAt.Time().Sub(delivery), e.Type == schemas.EventTypeClicked
		switch {
		case delivery.IsZero() || e.TimeSuspect:
		case click && after < 0, e.Type == schemas.EventTypeOpened && after < -time.Minute:
			reasons[e.EventID] = append(reasons[e.EventID], "before_delivery")
		case click && after < 3*time.Second:
			reasons[e.EventID] = append(reasons[e.EventID], "fast_click")
		}
	}
	for i, from := range clicks {
		links, end := map[string]bool{}, i
		for ; end < len(clicks) && clicks[end].OccurredAt.Time().Sub(from.OccurredAt.Time()) < 2*time.Second; end++ {
			links[clicks[end].URL] = true
		}
		delete(links, "")
		for _, e := range clicks[i:end] {
			if len(links) >= 3 && !slices.Contains(reasons[e.EventID], "link_burst") {
				reasons[e.EventID] = append(reasons[e.EventID], "link_burst")
			}
		}
	}
	return reasons
}

func modelMessage(versions, events []schemas.Event) schemas.Message {
	versions = slices.Clone(versions)
	slices.SortStableFunc(versions, modelOrder)
	fact := func(f func(schemas.Event) string) string {
		for _, e := range versions {
			if s := f(e); s != "" {
				return s
			}
		}
		return ""
	}
	occurrences := func(keep func(schemas.Event) bool) (first schemas.Timestamp, n int64) {
		for _, e := range events {
			if keep(e) {
				if n++; n == 1 {
					first = e.OccurredAt
				}
			}
		}
		return first, n
	}
	suspicions := modelSuspicions(events)
	is := func(types ...schemas.EventType) func(schemas.Event) bool {
		return func(e schemas.Event) bool { return slices.Contains(types, e.Type) }
	}
	human := func(t schemas.EventType) func(schemas.Event) bool {
		return func(e schemas.Event) bool { return e.Type == t && modelHuman(e) && suspicions[e.EventID] == nil }
	}
	m := schemas.Message{
		Tenant: events[0].Tenant, Account: events[0].Account, RecipientID: events[0].RecipientID, MessageID: events[0].MessageID,
		Provider:        fact(func(e schemas.Event) string { return e.Provider }),
		MessageUUID:     fact(func(e schemas.Event) string { return e.MessageUUID }),
		RecipientDomain: fact(func(e schemas.Event) string { return e.RecipientDomain }),
		CampaignID:      fact(func(e schemas.Event) string { return e.CampaignID }),
		CampaignName:    fact(func(e schemas.Event) string { return e.CampaignName }),
		CustomID:        fact(func(e schemas.Event) string { return e.CustomID }),
		ContactID:       fact(func(e schemas.Event) string { return e.ContactID }),
		FirstEventAt:    events[0].OccurredAt,
		LastEventAt:     events[len(events)-1].OccurredAt,
		Revision:        int64(len(events)),
	}
	if m.MessageID == "" {
		m.MessageID = "~" + events[0].CampaignID
	}
	for _, e := range events {
		m.TimeSuspect = m.TimeSuspect || e.TimeSuspect
		m.LastArrivedAt = max(m.LastArrivedAt, e.ArrivedAt)
	}
	for _, reason := range []string{"before_delivery", "fast_click", "link_burst"} {
		if slices.ContainsFunc(events, func(e schemas.Event) bool { return modelHuman(e) && slices.Contains(suspicions[e.EventID], reason) }) {
			m.MachineReasons = strings.TrimPrefix(m.MachineReasons+","+reason, ",")
		}
	}
	m.SentAt, _ = occurrences(is(schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered))
	for _, basis := range []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeSent, schemas.EventTypeQueued} {
		if first, n := occurrences(is(basis)); n > 0 && first == m.SentAt {
			m.SendBasis = basis.String()
		}
	}
	m.DeliveredAt, _ = occurrences(is(schemas.EventTypeDelivered))
	m.BouncedAt, _ = occurrences(is(schemas.EventTypeBounced))
	m.FirstOpenedAt, m.Opens = occurrences(is(schemas.EventTypeOpened))
	m.FirstHumanOpenedAt, m.HumanOpens = occurrences(human(schemas.EventTypeOpened))
	m.FirstClickedAt, m.Clicks = occurrences(is(schemas.EventTypeClicked))
	m.FirstHumanClickedAt, m.HumanClicks = occurrences(human(schemas.EventTypeClicked))
	m.ComplainedAt, m.Complaints = occurrences(is(schemas.EventTypeComplained))
	m.UnsubscribedAt, m.Unsubscribes = occurrences(is(schemas.EventTypeUnsubscribed))
	_, m.Deferrals = occurrences(is(schemas.EventTypeDeferred))
	if m.DeliveredAt != 0 && m.FirstOpenedAt != 0 {
		m.OpenDelayMS = schemas.Int64Of(max(0, int64(m.FirstOpenedAt-m.DeliveredAt)/1000))
	}
	if m.FirstOpenedAt != 0 && m.FirstClickedAt != 0 {
		m.ClickDelayMS = schemas.Int64Of(max(0, int64(m.FirstClickedAt-m.FirstOpenedAt)/1000))
	}
	modelOutcome(&m, events)
	return m
}

// modelOutcome tries the ways a message can end, from the strongest.
func modelOutcome(m *schemas.Message, events []schemas.Event) {
	late := func(e schemas.Event) bool { return m.DeliveredAt != 0 && e.OccurredAt >= m.DeliveredAt }
	hard := func(e schemas.Event) bool { return e.BounceClass == "hard" }
	for _, way := range []struct {
		outcome schemas.Outcome
		late    bool
		is      func(schemas.Event) bool
	}{
		{schemas.OutcomeBounced, true, func(e schemas.Event) bool { return e.Type == schemas.EventTypeBounced && late(e) && hard(e) }},
		{schemas.OutcomeBounced, true, func(e schemas.Event) bool { return e.Type == schemas.EventTypeBounced && late(e) }},
		{schemas.OutcomeDelivered, false, func(e schemas.Event) bool { return e.Type == schemas.EventTypeDelivered }},
		{schemas.OutcomeBounced, false, func(e schemas.Event) bool { return e.Type == schemas.EventTypeBounced && hard(e) }},
		{schemas.OutcomeBounced, false, func(e schemas.Event) bool { return e.Type == schemas.EventTypeBounced }},
		{schemas.OutcomeFailed, false, func(e schemas.Event) bool { return e.Type == schemas.EventTypeFailed }},
		{schemas.OutcomeRejected, false, func(e schemas.Event) bool { return e.Type == schemas.EventTypeRejected }},
		{schemas.OutcomeDeferred, false, func(e schemas.Event) bool { return e.Type == schemas.EventTypeDeferred }},
		{schemas.OutcomeQueued, false, func(e schemas.Event) bool {
			return e.Type == schemas.EventTypeQueued || e.Type == schemas.EventTypeSent
		}},
	} {
		if i := slices.IndexFunc(events, way.is); i >= 0 {
			m.Outcome, m.LateBounce, m.OutcomeAt = way.outcome, way.late, events[i].OccurredAt
			if way.outcome == schemas.OutcomeBounced || way.outcome == schemas.OutcomeFailed || way.outcome == schemas.OutcomeRejected {
				m.BounceClass, m.RejectReason = events[i].BounceClass, events[i].RejectReason
			}
			return
		}
	}
}

// modelCounters adds what a message contributes, one fact at a time.
func modelCounters(counters map[countersKey]schemas.Counters, by modelBy, m *schemas.Message, events []schemas.Event) {
	suspicions := modelSuspicions(events)
	name, ok := by(m, events)
	if !ok {
		return
	}
	count := func(at schemas.Timestamp, f func(*schemas.Counters)) {
		if at == 0 {
			return
		}
		window := func(t schemas.Timestamp) schemas.Timestamp {
			return schemas.FromTime(t.Time().Truncate(5 * time.Minute))
		}
		keys := []countersKey{{m.Tenant, name, schemas.BasisLifetime, 0}, {m.Tenant, name, schemas.BasisEventTime, window(at)}}
		if m.SentAt != 0 {
			keys = append(keys, countersKey{m.Tenant, name, schemas.BasisSendTime, window(m.SentAt)})
		}
		for _, k := range keys {
			c := counters[k]
			f(&c)
			counters[k] = c
		}
	}
	count(m.FirstEventAt, func(c *schemas.Counters) { c.Messages++ })
	count(m.OutcomeAt, func(c *schemas.Counters) {
		switch {
		case m.Outcome == schemas.OutcomeQueued:
			c.Queued++
		case m.Outcome == schemas.OutcomeDeferred:
			c.Deferred++
		case m.Outcome == schemas.OutcomeDelivered:
			c.Delivered++
		case m.Outcome == schemas.OutcomeRejected:
			c.Rejected++
		case m.Outcome == schemas.OutcomeFailed:
			c.Failed++
		case m.BounceClass == "hard":
			c.HardBounced++
		default:
			c.SoftBounced++
		}
		if m.LateBounce {
			c.LateBounces++
		}
	})
	count(m.FirstOpenedAt, func(c *schemas.Counters) {
		c.Opened++
		if m.OpenDelayMS.Valid {
			c.OpenDelays++
			c.OpenDelayMS += m.OpenDelayMS.Int64
		}
	})
	count(m.FirstHumanOpenedAt, func(c *schemas.Counters) { c.HumanOpened++ })
	count(m.FirstClickedAt, func(c *schemas.Counters) {
		c.Clicked++
		if m.ClickDelayMS.Valid {
			c.ClickDelays++
			c.ClickDelayMS += m.ClickDelayMS.Int64
		}
	})
	count(m.FirstHumanClickedAt, func(c *schemas.Counters) { c.HumanClicked++ })
	count(m.ComplainedAt, func(c *schemas.Counters) { c.Complained++ })
	count(m.UnsubscribedAt, func(c *schemas.Counters) { c.Unsubscribed++ })
	for _, e := range events {
		count(e.OccurredAt, func(c *schemas.Counters) {
			switch {
			case e.Type == schemas.EventTypeOpened:
				c.Opens++
				if modelHuman(e) && suspicions[e.EventID] == nil {
					c.HumanOpens++
				}
			case e.Type == schemas.EventTypeClicked:
				c.Clicks++
				if modelHuman(e) && suspicions[e.EventID] == nil {
					c.HumanClicks++
				}
			case e.Type == schemas.EventTypeComplained:
				c.Complaints++
			case e.Type == schemas.EventTypeUnsubscribed:
				c.Unsubscribes++
			}
		})
	}
}
