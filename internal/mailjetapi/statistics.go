package mailjetapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	countersPath  = "/v3/REST/statcounters"
	campaignsPath = "/v3/REST/campaign"
)

// maxSlices is how many slices of time the API counts in one answer: of hours,
// 4 days and 4 hours.
const maxSlices = 100

// StatCounters are Mailjet's counts over a lifetime or one slice of time. What a
// counter means is in Mailjet's guide: https://dev.mailjet.com/email/guides/statistics/
type StatCounters struct {
	APIKeyID, SourceID int64
	// Timeslice is when the slice begins; zero for a lifetime.
	Timeslice Timeslice

	// Messages in a state, each counted once.
	Total                   int64
	MessageSentCount        int64
	MessageBlockedCount     int64
	MessageHardBouncedCount int64
	MessageSoftBouncedCount int64
	MessageDeferredCount    int64
	MessageQueuedCount      int64

	// Messages with at least one such event, and all such events.
	MessageOpenedCount       int64
	MessageClickedCount      int64
	MessageUnsubscribedCount int64
	MessageSpamCount         int64
	EventOpenedCount         int64
	EventClickedCount        int64
	EventUnsubscribedCount   int64
	EventSpamCount           int64

	// Sums of seconds.
	EventOpenDelay, EventClickDelay int64
}

// Timeslice is when a slice of time begins, in UTC.
type Timeslice struct{ time.Time }

var _ json.Unmarshaler = (*Timeslice)(nil)

// UnmarshalJSON reads a time with or without its zone, or Unix seconds: the API's
// reference names no form.
func (t *Timeslice) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	t.Time = time.Time{}
	if s == "" || s == "null" {
		return nil
	}
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		t.Time = time.Unix(seconds, 0).UTC()
		return nil
	}
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime} {
		if at, err := time.Parse(layout, s); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("slice of time %s is no time", text)
}

// LifetimeCounters returns what Mailjet counts of a campaign, by message; nil where
// it counts nothing.
func (c *Client) LifetimeCounters(ctx context.Context, campaign int64) (*StatCounters, error) {
	found, err := list[StatCounters](ctx, c, countersPath, url.Values{
		"CounterSource": {"Campaign"}, "SourceID": {strconv.FormatInt(campaign, 10)},
		"CounterTiming": {"Message"}, "CounterResolution": {"Lifetime"},
	})
	if err != nil {
		return nil, fmt.Errorf("reading the counters of campaign %d: %w", campaign, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}

// HourCounters returns what Mailjet counts from one hour up to another, which is
// left out, each event at its own time: of one campaign, or with 0 of the whole API
// key. Hours without events may be missing.
func (c *Client) HourCounters(ctx context.Context, campaign int64, from, to time.Time) ([]StatCounters, error) {
	query := url.Values{"CounterSource": {"APIKey"}, "CounterTiming": {"Event"}, "CounterResolution": {"Hour"}}
	if campaign != 0 {
		query.Set("CounterSource", "Campaign")
		query.Set("SourceID", strconv.FormatInt(campaign, 10))
	}
	var all []StatCounters
	for from.Before(to) {
		end := from.Add(maxSlices * time.Hour)
		if end.After(to) {
			end = to
		}
		// Whether the API takes the end in is not documented: a second less is right
		// either way.
		query.Set("FromTS", strconv.FormatInt(from.Unix(), 10))
		query.Set("ToTS", strconv.FormatInt(end.Unix()-1, 10))
		query.Del("Offset")
		found, err := list[StatCounters](ctx, c, countersPath, query)
		if err != nil {
			return nil, fmt.Errorf("reading hourly counters from %s: %w", from.UTC().Format(time.RFC3339), err)
		}
		for _, s := range found {
			if !s.Timeslice.Before(from) && s.Timeslice.Before(end) {
				all = append(all, s)
			}
		}
		from = end
	}
	return all, nil
}

// Campaign is one that was sent.
type Campaign struct {
	ID          int64
	CustomValue string // the name that the sender gave it
	Subject     string
}

// Campaigns lists the campaigns of a period.
func (c *Client) Campaigns(ctx context.Context, from, to time.Time) ([]Campaign, error) {
	all, err := list[Campaign](ctx, c, campaignsPath, url.Values{
		"FromTS": {strconv.FormatInt(from.Unix(), 10)}, "ToTS": {strconv.FormatInt(to.Unix(), 10)},
	})
	if err != nil {
		return nil, fmt.Errorf("listing campaigns: %w", err)
	}
	return all, nil
}
