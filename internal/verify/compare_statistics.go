package verify

import (
	"fmt"

	"github.com/posthorn/posthorn/schemas"
)

// span is the time that the events of a campaign cover, and its name where all
// messages agree on it.
type span struct {
	first, last schemas.Timestamp
	name        string
}

func (s *span) add(m *schemas.Message) {
	if s.first == 0 || m.FirstEventAt < s.first {
		s.first = m.FirstEventAt
	}
	s.last = max(s.last, m.LastEventAt)
	if m.CampaignName != "" {
		s.name = m.CampaignName
	}
}

func campaignKey(tenant, campaign string) []byte { return []byte(tenant + "/" + campaign) }

// keepContributions spills what a bucket of recipients counts, by campaign.
func (v *verifier) keepContributions(counts map[windowKey]*schemas.Counters, spans map[[2]string]*span, touched map[[2]string]bool) error {
	for k, c := range counts {
		s := &schemas.CampaignStatistics{Tenant: k.tenant, CampaignID: k.campaign, Basis: k.basis, WindowStart: k.start, Counters: *c}
		if k.basis == schemas.BasisLifetime {
			sp := spans[[2]string{k.tenant, k.campaign}]
			s.FirstEventAt, s.LastEventAt, s.CampaignName = sp.first, sp.last, sp.name
		}
		if err := v.campaigns.put(campaignKey(k.tenant, k.campaign), kindContribution, s.AppendAvro(nil)); err != nil {
			return err
		}
	}
	for k := range touched {
		s := &schemas.CampaignStatistics{Tenant: k[0], CampaignID: k[1]}
		if err := v.campaigns.put(campaignKey(k[0], k[1]), kindTouched, s.AppendAvro(nil)); err != nil {
			return err
		}
	}
	return nil
}

// campaigns is one bucket: everything about some campaigns.
type campaigns struct {
	want, got map[windowKey]*schemas.CampaignStatistics
	touched   map[[2]string]bool // by tenant and campaign
	// later is when the first event from outside of the cut arrived that names
	// the campaign.
	later    map[[2]string]schemas.Timestamp
	steps    stepSums
	triggers []*schemas.Trigger
}

func (v *verifier) compareCampaigns(i int) error {
	c := &campaigns{
		want: map[windowKey]*schemas.CampaignStatistics{}, got: map[windowKey]*schemas.CampaignStatistics{},
		touched: map[[2]string]bool{}, later: map[[2]string]schemas.Timestamp{},
		steps: stepSums{},
	}
	if err := v.campaigns.each(i, c.take); err != nil {
		return fmt.Errorf("reading campaigns of bucket %d: %w", i, err)
	}
	v.compareStatistics(c)
	v.compareCampaignTriggers(c)
	return nil
}

// take takes in one spilled record.
func (c *campaigns) take(k kind, value []byte) error {
	switch k {
	case kindSteps:
		var d schemas.CampaignDelta
		err := d.DecodeAvro(value)
		c.addSteps(&d)
		return err
	case kindTrigger:
		t := new(schemas.Trigger)
		c.triggers = append(c.triggers, t)
		return t.DecodeAvro(value)
	}
	s := new(schemas.CampaignStatistics)
	if err := s.DecodeAvro(value); err != nil {
		return err
	}
	key, of := windowKey{s.Tenant, s.CampaignID, s.Basis, s.WindowStart}, [2]string{s.Tenant, s.CampaignID}
	switch k {
	case kindTouched:
		c.touched[of] = true
	case kindLater:
		if at, ok := c.later[of]; !ok || s.FirstEventAt < at {
			c.later[of] = s.FirstEventAt
		}
	case kindStatistics:
		c.got[key] = s // later snapshots replace earlier ones
	case kindContribution:
		if w := c.want[key]; w != nil {
			sum(&w.Counters, &s.Counters)
			w.FirstEventAt, w.LastEventAt = min(w.FirstEventAt, s.FirstEventAt), max(w.LastEventAt, s.LastEventAt)
		} else {
			c.want[key] = s
		}
	}
	return nil
}

func (v *verifier) compareStatistics(c *campaigns) {
	want, got, touched := c.want, c.got, c.touched
	check := v.report.check(checkStatistics)
	for k, w := range want {
		g := got[k]
		if touched[[2]string{k.tenant, k.campaign}] {
			check.Skipped++
			continue
		}
		if g == nil && equal(&w.Counters, &schemas.Counters{}) {
			continue // late counts may cancel out
		}
		check.Expected++
		if g == nil {
			v.report.missing(check, "%s is missing", k)
			continue
		}
		check.Found++
		if problem := differences(k, w, g); problem != "" {
			v.report.differ(check, "%s: %s", k, problem)
		}
	}
	for k, g := range got {
		of := tableKey{k.tenant, k.campaign, k.basis.String()}
		if v.windowSums[of] == nil {
			v.windowSums[of] = &windowSums{}
		}
		v.windowSums[of].rows++
		sum(&v.windowSums[of].counters, &g.Counters)
		if want[k] != nil || touched[[2]string{k.tenant, k.campaign}] {
			continue
		}
		// A window may have become empty again, by corrections.
		if !equal(&g.Counters, &schemas.Counters{}) {
			check.Found++
			v.report.surplus(check, "%s is unexpected: %s", k, diff(&schemas.Counters{}, &g.Counters))
		}
	}
}

func differences(k windowKey, want, got *schemas.CampaignStatistics) string {
	if !equal(&want.Counters, &got.Counters) {
		return diff(&want.Counters, &got.Counters)
	}
	seconds := int32(0)
	if k.hasWindow() {
		seconds = windowLength / 1_000_000
	}
	if k.basis == schemas.BasisLifetime {
		// A message that has left a campaign may have widened its span, which
		// cannot be undone.
		if got.FirstEventAt > want.FirstEventAt || got.LastEventAt < want.LastEventAt {
			return fmt.Sprintf("events from %s to %s, want from %s to %s", got.FirstEventAt, got.LastEventAt, want.FirstEventAt, want.LastEventAt)
		}
	}
	if got.WindowSeconds != seconds {
		return fmt.Sprintf("window_seconds is %d, want %d", got.WindowSeconds, seconds)
	}
	return ""
}

// String describes the window for a difference.
func (k windowKey) String() string {
	if !k.hasWindow() {
		return fmt.Sprintf("campaign %s/%s, %s", k.tenant, k.campaign, k.basis)
	}
	return fmt.Sprintf("campaign %s/%s, %s window %s", k.tenant, k.campaign, k.basis, k.start)
}
