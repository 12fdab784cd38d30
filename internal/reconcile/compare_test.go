package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/mailjetapi"
	"github.com/posthorn/posthorn/schemas"
)

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name      string
		ours      own
		theirs    their
		tolerance int64
		differs   string // counters with their differences
	}{
		{"nothing", own{}, their{}, 0, ""},
		{
			"all equal",
			own{Messages: 10, Delivered: 6, Rejected: 1, HardBounced: 1, SoftBounced: 1, Deferred: 1, Opened: 3, Opens: 5, Clicked: 2, Clicks: 4, Unsubscribed: 1, Unsubscribes: 1, Complained: 1, Complaints: 1},
			their{Total: 10, MessageSentCount: 6, MessageBlockedCount: 1, MessageHardBouncedCount: 1, MessageSoftBouncedCount: 2, MessageOpenedCount: 3, EventOpenedCount: 5, MessageClickedCount: 2, EventClickedCount: 4, MessageUnsubscribedCount: 1, EventUnsubscribedCount: 1, MessageSpamCount: 1, EventSpamCount: 1},
			0, "",
		},
		{"queued messages have no events", own{Messages: 7}, their{Total: 10, MessageQueuedCount: 3}, 0, ""},
		{"deferred or soft bounced", own{SoftBounced: 1, Deferred: 4}, their{MessageSoftBouncedCount: 3, MessageDeferredCount: 2}, 0, ""},
		{"clicks to unsubscribe", own{Clicked: 5}, their{MessageClickedCount: 3}, 0, ""},
		{"clicks missing", own{Clicked: 3, Clicks: 3}, their{MessageClickedCount: 5, EventClickedCount: 6}, 0, "clicked -2, clicks -3"},
		{"opens missing", own{Opened: 3, Opens: 9}, their{MessageOpenedCount: 3, EventOpenedCount: 11}, 0, "opens -2"},
		{"more than Mailjet", own{Delivered: 5}, their{MessageSentCount: 4}, 0, "delivered +1"},
		{"within tolerance", own{Delivered: 5, Opens: 7}, their{MessageSentCount: 7, EventOpenedCount: 5}, 2, ""},
		{"beyond tolerance", own{Delivered: 5, Opens: 8}, their{MessageSentCount: 8, EventOpenedCount: 5}, 2, "delivered -3, opens +3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, l := range Compare(&tt.ours, &tt.theirs, tt.tolerance) {
				if l.Differs {
					got = append(got, fmt.Sprintf("%s %+d", l.Counter, l.Difference))
				}
			}
			if text := strings.Join(got, ", "); text != tt.differs {
				t.Errorf("%q, want %q", text, tt.differs)
			}
		})
	}
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }

func TestCompareHours(t *testing.T) {
	for _, tt := range []struct {
		name      string
		ours      []own // of hours from noon on
		theirs    []their
		tolerance int64
		want      string
	}{
		{"nothing", nil, nil, 0, ""},
		{"equal", []own{{Opens: 2, Delivered: 1}}, []their{{EventOpenedCount: 2, MessageSentCount: 1}}, 0, ""},
		{"an hour is missing", []own{{Opens: 2}, {}, {Opens: 1}}, []their{{EventOpenedCount: 2}, {EventOpenedCount: 4, EventClickedCount: 1}, {EventOpenedCount: 1}}, 0, "13 missing opens -4 clicks -1"},
		{"slices without events are left out", []own{{}, {Opens: 1}}, nil, 0, "13 more opens +1"},
		{"a state across the hour's end", []own{{Delivered: 10}, {Delivered: 5}}, []their{{MessageSentCount: 8}, {MessageSentCount: 7}}, 0, ""},
		{"a state missing in spite of the neighbour", []own{{Delivered: 3}, {Delivered: 6}}, []their{{MessageSentCount: 9}, {MessageSentCount: 5}}, 0, "12 missing delivered -6"},
		{"events do not move", []own{{Opens: 3}, {Opens: 1}}, []their{{EventOpenedCount: 2}, {EventOpenedCount: 2}}, 0, "12 more opens +1; 13 missing opens -1"},
		{"unique counters are not for hours", []own{{Opened: 3}}, []their{{MessageOpenedCount: 1}}, 0, ""},
		{"tolerance", []own{{Opens: 3}, {Opens: 1}}, []their{{EventOpenedCount: 4}, {EventOpenedCount: 3}}, 1, "13 missing opens -2"},
		{"outside of the period", []own{3: {Opens: 1}}, []their{3: {EventOpenedCount: 9}}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours := map[time.Time]schemas.Counters{}
			for h, c := range tt.ours {
				ours[at(h)] = c
			}
			var theirs []mailjetapi.StatCounters
			for h, c := range tt.theirs {
				if c != (their{}) {
					c.Timeslice.Time = at(h)
					theirs = append(theirs, c)
				}
			}
			var got []string
			for _, h := range CompareHours(ours, theirs, at(0), at(3), tt.tolerance) {
				text := fmt.Sprint(h.Start.Hour())
				if h.Missing {
					text += " missing"
				} else {
					text += " more"
				}
				for _, l := range h.Lines {
					text += fmt.Sprintf(" %s %+d", l.Counter, l.Difference)
				}
				got = append(got, text)
			}
			if text := strings.Join(got, "; "); text != tt.want {
				t.Errorf("%q, want %q", text, tt.want)
			}
		})
	}
}
