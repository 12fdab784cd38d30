package rehearsal

import "github.com/posthorn/posthorn/schemas"

// Run rehearses both stages on events in the order of their arrival, moves the
// frontier to the end, before which all have arrived, and calls f for each
// trigger in the order in which they fire.
func Run(c Config, events []schemas.Event, end schemas.Timestamp, f func(*schemas.Trigger) error) error {
	var r both
	var err error
	if r.campaigns, err = NewCampaigns(c, f); err != nil {
		return err
	}
	if r.recipients, err = NewRecipients(c, f, r.campaigns.Delta); err != nil {
		return err
	}
	for i := range events {
		if at := events[i].ArrivedAt; at > r.recipients.arrived {
			if err := r.advance(at); err != nil {
				return err
			}
		}
		if err := r.recipients.Event(&events[i]); err != nil {
			return err
		}
	}
	return r.advance(end)
}

// both are the stages, one behind the other.
type both struct {
	recipients *Recipients
	campaigns  *Campaigns
}

// advance moves both frontiers side by side. What recipients count reaches the
// campaigns before these are judged.
func (r *both) advance(to schemas.Timestamp) error {
	if err := r.recipients.commit(); err != nil {
		return err
	}
	for due := r.recipients.nextTimer(); due != 0 && due <= to; due = r.recipients.nextTimer() {
		if err := r.campaigns.Advance(due - 1); err != nil {
			return err
		}
		if err := r.recipients.Advance(due); err != nil {
			return err
		}
	}
	if err := r.recipients.Advance(to); err != nil {
		return err
	}
	return r.campaigns.Advance(to)
}
