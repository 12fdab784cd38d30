package analytics

import (
	"strings"

	"github.com/google/uuid"
)

func (l *CampaignList) sheet() sheet {
	out := sheet{name: "campaigns", next: l.Next, columns: append(append([]sheetColumn{
		{"campaign_id", columnText}, {"name", columnText},
		{"first_event_at", columnTime}, {"last_event_at", columnTime}, {"updated_at", columnTime},
	}, counterSheetColumns()...), rateSheetColumns()...)}
	for i := range l.Campaigns {
		c := &l.Campaigns[i]
		all := counted(c.Totals)
		out.rows = append(out.rows, append([]any{c.ID, c.Name, c.FirstEventAt, c.LastEventAt, c.UpdatedAt}, all.cells()...))
	}
	return out
}

// sheet has the course over time; the totals are those of the list.
func (c *CampaignDetail) sheet() sheet {
	out := sheet{name: "campaign", columns: append([]sheetColumn{{"start", columnTime}}, counterSheetColumns()...)}
	for i := range c.Series.Points {
		p := &c.Series.Points[i]
		row := []any{p.Start}
		for _, n := range counterValues(&p.Counters) {
			row = append(row, n)
		}
		out.rows = append(out.rows, row)
	}
	return out
}

func (l *TriggerList) sheet() sheet {
	out := sheet{name: "triggers", next: l.Next, columns: []sheetColumn{
		{"id", columnText}, {"rule", columnText}, {"rule_version", columnText}, {"kind", columnText}, {"status", columnText},
		{"once_per", columnText}, {"occurrence", columnText}, {"recipient_id", columnText}, {"campaign_id", columnText}, {"campaign_name", columnText},
		{"message_id", columnText}, {"custom_id", columnText}, {"state", columnText},
		{"anchor_at", columnTime}, {"occurred_at", columnTime}, {"arrived_at", columnTime}, {"not_before", columnTime},
		{"evidence", columnText}, {"event_ids", columnText}, {"endpoint", columnText},
		{"window_start", columnTime}, {"window_end", columnTime}, {"hits", columnInteger}, {"base", columnInteger},
	}}
	for i := range l.Triggers {
		t := &l.Triggers[i]
		row := []any{t.ID.String(), t.Rule, t.RuleVersion, t.Kind, t.Status, t.OncePer, t.Occurrence, t.RecipientID.String(), t.CampaignID, t.CampaignName,
			t.MessageID, t.CustomID, t.State, timeCell(t.AnchorAt), t.OccurredAt, t.ArrivedAt, timeCell(t.NotBefore),
			strings.Join(t.Evidence, " "), joinIDs(t.EventIDs), t.Endpoint}
		if w := t.Window; w != nil {
			row = append(row, w.Start, w.End, w.Hits, w.Base)
		} else {
			row = append(row, nil, nil, nil, nil)
		}
		out.rows = append(out.rows, row)
	}
	return out
}

func joinIDs(ids []uuid.UUID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, " ")
}

var deliverySheetColumns = []sheetColumn{
	{"trigger_id", columnText}, {"rule", columnText}, {"endpoint", columnText}, {"action", columnText}, {"url", columnText},
	{"recipient_id", columnText}, {"campaign_id", columnText}, {"attempt", columnInteger}, {"manual", columnBoolean},
	{"attempted_at", columnTime}, {"duration_ms", columnInteger}, {"status", columnText}, {"status_code", columnInteger},
	{"error", columnText}, {"next_attempt_at", columnTime},
}

func (d *Delivery) cells() []any {
	return []any{d.TriggerID.String(), d.Rule, d.Endpoint, d.Action, d.URL, d.RecipientID.String(), d.CampaignID, int64(d.Attempt), d.Manual,
		d.AttemptedAt, d.DurationMS, d.Status, int64(d.StatusCode), d.Error, timeCell(d.NextAttemptAt)}
}

func (l *DeliveryList) sheet() sheet {
	out := sheet{name: "deliveries", next: l.Next, columns: deliverySheetColumns}
	for i := range l.Deliveries {
		out.rows = append(out.rows, l.Deliveries[i].cells())
	}
	return out
}

// sheet leaves out what was sent and answered, which are documents.
func (d *DeliveryDetail) sheet() sheet {
	out := sheet{name: "attempts", columns: deliverySheetColumns}
	for i := range d.Attempts {
		out.rows = append(out.rows, d.Attempts[i].cells())
	}
	return out
}

func (l *SuppressionList) sheet() sheet {
	out := sheet{name: "suppressions", next: l.Next, columns: []sheetColumn{
		{"address", columnText}, {"recipient_id", columnText}, {"scope", columnText}, {"reason", columnText}, {"active", columnBoolean},
		{"since", columnTime}, {"event_id", columnText}, {"account", columnText}, {"campaign_id", columnText},
		{"lifted_at", columnTime}, {"updated_at", columnTime},
	}}
	for i := range l.Suppressions {
		s := &l.Suppressions[i]
		out.rows = append(out.rows, []any{s.Address, s.RecipientID.String(), s.Scope, s.Reason, s.Active,
			s.Since, s.EventID.String(), s.Account, s.CampaignID, timeCell(s.LiftedAt), s.UpdatedAt})
	}
	return out
}

func (l *RuleList) sheet() sheet {
	out := sheet{name: "rules", columns: []sheetColumn{
		{"name", columnText}, {"kind", columnText}, {"version", columnText}, {"mode", columnText}, {"call", columnText}, {"configured", columnBoolean},
		{"paused_by", columnText}, {"paused_at", columnTime}, {"fired_24h", columnInteger}, {"fired_7d", columnInteger}, {"last_fired_at", columnTime},
	}}
	for i := range l.Rules {
		r := &l.Rules[i]
		var by, at any
		if r.Paused != nil {
			by, at = r.Paused.By, r.Paused.At
		}
		out.rows = append(out.rows, []any{r.Name, r.Kind, r.Version, r.Mode, r.Call, r.Configured,
			by, at, int64(r.Last24h["fired"]), int64(r.Last7d["fired"]), timeCell(r.LastFiredAt)})
	}
	return out
}
