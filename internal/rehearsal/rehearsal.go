package rehearsal

import "github.com/posthorn/posthorn/schemas"

// Run rehearses both stages on events in the order of their arrival, moves the
// frontier to the end, and calls f for each trigger in the order in which they
// fire.
func Run(c Config, events []schemas.Event, end schemas.Timestamp, f func(*schemas.Trigger) error) error {
	campaigns, err := NewCampaigns(c, f)
	if err != nil {
		return err
	}
	recipients, err := NewRecipients(c, f, campaigns.Delta)
	if err != nil {
		return err
	}
	for i := range events {
		if err := recipients.Event(&events[i]); err != nil {
			return err
		}
		// The frontier of a stage is that of the one before it.
		if err := campaigns.Advance(recipients.at); err != nil {
			return err
		}
	}
	// Not at one stroke: what rules of recipients count comes before it is judged.
	if err := recipients.Advance(end); err != nil {
		return err
	}
	return campaigns.Advance(end)
}
