package analytics

import (
	"fmt"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// happened makes an event of a campaign, some minutes after epoch.
func happened(n, minutes int, campaign string, kind schemas.EventType) *schemas.Event {
	e := event(n)
	e.Type, e.CampaignID = kind, campaign
	e.OccurredAt = epoch + schemas.Timestamp(minutes)*60e6
	return e
}

func TestAccount(t *testing.T) {
	conn := migrated(t)
	hard := happened(3, 30, "7301", schemas.EventTypeBounced)
	hard.BounceClass = "hard"
	soft := happened(4, 31, "7301", schemas.EventTypeBounced)
	soft.BounceClass = "soft"
	other := happened(9, 40, "9999", schemas.EventTypeOpened)
	other.Account = "another"
	fill(t, conn, schemas.TopicEvents,
		happened(1, 0, "7301", schemas.EventTypeDelivered), happened(2, 59, "7301", schemas.EventTypeOpened), hard, soft,
		happened(5, 60, "7301", schemas.EventTypeOpened), happened(6, 119, "7302", schemas.EventTypeClicked), happened(7, 120, "7302", schemas.EventTypeComplained),
		happened(8, 61, "", schemas.EventTypeRejected), happened(10, -600, "7303", schemas.EventTypeUnsubscribed), other)
	var life []schemas.Record
	for i, id := range []string{"7301", "7302", "7303", "9999", "-"} {
		life = append(life, stats(id, schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 1 + int64(i)}))
	}
	fill(t, conn, schemas.TopicStatistics, append(life, stats("7301", schemas.BasisEventTime, epoch.Time(), schemas.Counters{Messages: 50}))...)
	a := &Account{Conn: conn, Tenant: "default", Name: "acc"}

	for _, tt := range []struct {
		ids  []string
		want map[string]int64 // messages
	}{
		{nil, map[string]int64{"7301": 1, "7302": 2}},
		{[]string{"7303", "9999", "4711"}, map[string]int64{"7301": 1, "7302": 2, "7303": 3}},
	} {
		got, err := a.Campaigns(t.Context(), epoch.Time(), tt.ids...)
		if err != nil || len(got) != len(tt.want) {
			t.Errorf("%v: %v, %v", tt.ids, got, err)
		}
		for id, n := range tt.want {
			if got[id].Totals.Messages != n || got[id].Name != "n"+id {
				t.Errorf("%v: campaign %s is %+v", tt.ids, id, got[id])
			}
		}
	}

	hour := func(n int) time.Time { return epoch.Time().UTC().Add(time.Duration(n) * time.Hour) }
	for _, tt := range []struct {
		campaign string
		want     map[time.Time]schemas.Counters
	}{
		{"", map[time.Time]schemas.Counters{hour(0): {Delivered: 1, Opens: 1, HardBounced: 1}, hour(1): {Opens: 1, Clicks: 1, Rejected: 1}}},
		{"7302", map[time.Time]schemas.Counters{hour(1): {Clicks: 1}}},
		{"4711", nil},
	} {
		got, err := a.Hours(t.Context(), tt.campaign, hour(0), hour(2))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("campaign %q: %v, %v\nwant %v", tt.campaign, got, err, tt.want)
		}
	}
}
