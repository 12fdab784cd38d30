// Package reconcile compares what is counted here with what Mailjet counts.
//
// Each campaign's totals are compared over its lifetime, all counts at the send of
// their message, since a period would cut messages at its ends: Mailjet counts a
// message when it takes it, we do when its first event happens. Events are compared
// by the hours in which they happened, over the whole API key and for each campaign
// that differs: that names the hours whose webhooks are missing.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/mailjetapi"
	"github.com/posthorn/posthorn/schemas"
)

// Ours is what is counted here: an analytics.Account.
type Ours interface {
	Campaigns(ctx context.Context, since time.Time, ids ...string) (map[string]analytics.Campaign, error)
	Hours(ctx context.Context, campaign string, from, to time.Time) (map[time.Time]schemas.Counters, error)
}

// Theirs is what Mailjet counts: a mailjetapi.Client.
type Theirs interface {
	Campaigns(ctx context.Context, from, to time.Time) ([]mailjetapi.Campaign, error)
	LifetimeCounters(ctx context.Context, campaign int64) (*mailjetapi.StatCounters, error)
	HourCounters(ctx context.Context, campaign int64, from, to time.Time) ([]mailjetapi.StatCounters, error)
}

// Config says what to compare. Ours, Theirs, From and To are required; From and To
// are whole hours.
type Config struct {
	Ours      Ours
	Theirs    Theirs
	From, To  time.Time
	Tolerance int64
	// Progress, where set, is told how many of the campaigns are compared.
	Progress func(phase string, done, total int64)
}

// Run compares and returns what was found, however different.
func Run(ctx context.Context, c Config) (*Report, error) {
	if c.From.Truncate(time.Hour) != c.From || c.To.Truncate(time.Hour) != c.To || !c.From.Before(c.To) {
		return nil, fmt.Errorf("comparing from %s to %s: these are not whole hours, one before the other", c.From, c.To)
	}
	r := &Report{From: c.From.UTC(), To: c.To.UTC(), Tolerance: c.Tolerance, Campaigns: []Campaign{}}
	var err error
	if r.Hours, err = c.hours(ctx, ""); err != nil {
		return nil, err
	}
	campaigns, err := c.campaigns(ctx)
	if err != nil {
		return nil, err
	}
	for i := range campaigns {
		if err := c.compare(ctx, &campaigns[i]); err != nil {
			return nil, err
		}
		if c.Progress != nil {
			c.Progress("campaigns", int64(i)+1, int64(len(campaigns)))
		}
	}
	r.Campaigns = append(r.Campaigns, campaigns...)
	return r, nil
}

// campaigns joins those of both sides, in the order of their ids.
func (c *Config) campaigns(ctx context.Context) ([]Campaign, error) {
	sent, err := c.Theirs.Campaigns(ctx, c.From, c.To)
	if err != nil {
		return nil, err
	}
	var ids []string
	names := map[string]string{}
	for _, s := range sent {
		id := strconv.FormatInt(s.ID, 10)
		ids = append(ids, id)
		names[id] = s.CustomValue
		if s.CustomValue == "" {
			names[id] = s.Subject
		}
	}
	ours, err := c.Ours.Campaigns(ctx, c.From, ids...)
	if err != nil {
		return nil, err
	}
	var all []Campaign
	for id, o := range ours {
		all = append(all, Campaign{ID: id, Name: o.Name, ours: &o.Totals, lastEvent: o.LastEventAt})
	}
	for id, name := range names {
		if _, known := ours[id]; !known {
			all = append(all, Campaign{ID: id, Name: name})
		}
	}
	slices.SortFunc(all, func(a, b Campaign) int { return compareIDs(a.ID, b.ID) })
	return all, nil
}

// compareIDs orders by length first, which is how numbers follow each other.
func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}

// compare asks Mailjet for a campaign and compares it, by hours where it differs.
func (c *Config) compare(ctx context.Context, campaign *Campaign) error {
	id, err := strconv.ParseInt(campaign.ID, 10, 64)
	if err != nil || id <= 0 {
		campaign.Note, campaign.Counters = NoNumber, []Line{}
		return nil
	}
	theirs, err := c.Theirs.LifetimeCounters(ctx, id)
	var answer *mailjetapi.APIError
	switch {
	case errors.As(err, &answer) && answer.Status == http.StatusNotFound, err == nil && theirs == nil:
		campaign.Note = NotTheirs
		theirs = new(mailjetapi.StatCounters)
	case err != nil:
		return err
	}
	ours := campaign.ours
	switch {
	case ours == nil:
		campaign.Note = NotOurs
		ours = new(schemas.Counters)
	case campaign.Note == "" && campaign.lastEvent.After(c.To):
		campaign.Note = UnderWay
	}
	campaign.Counters = Compare(ours, theirs, c.Tolerance)
	switch {
	case campaign.Differences() == 0 && campaign.Note == NotOurs:
		campaign.Note = "" // nobody has anything of it
		return nil
	case campaign.Differences() == 0, campaign.Note == NotTheirs:
		return nil
	}
	campaign.Hours, err = c.hours(ctx, campaign.ID)
	return err
}

// hours compares by hour: one campaign, or with an empty id the whole API key.
func (c *Config) hours(ctx context.Context, campaign string) ([]Hour, error) {
	id := int64(0)
	if campaign != "" {
		var err error
		if id, err = strconv.ParseInt(campaign, 10, 64); err != nil {
			return nil, fmt.Errorf("campaign %q: %w", campaign, err)
		}
	}
	theirs, err := c.Theirs.HourCounters(ctx, id, c.From, c.To)
	if err != nil {
		return nil, err
	}
	ours, err := c.Ours.Hours(ctx, campaign, c.From, c.To)
	if err != nil {
		return nil, err
	}
	return CompareHours(ours, theirs, c.From, c.To, c.Tolerance), nil
}
