// Package simulate makes the webhooks that Mailjet would send for a few
// campaigns, and posts them.
//
// A [Generator] is seeded and deterministic: the same configuration gives the
// same bodies, byte for byte. It behaves as the provider does: sizes and
// shapes of bodies vary, batches are repeated, events come out of order, some
// bodies are broken. While it generates it keeps the [Truth]: what an exact
// receiver must arrive at. Only reserved names and addresses are used
// (*.example, documentation ranges).
package simulate

import (
	"fmt"
	"time"
)

// Config describes what is generated. A zero rate means never; start from
// [DefaultConfig].
type Config struct {
	// Seed decides everything that is random.
	Seed uint64
	// Campaigns is the number of campaigns.
	Campaigns int
	// Recipients is the number of recipients of each campaign.
	Recipients int
	// Now is the end of the simulated time: no event is later. The first
	// campaign goes out 44 hours before.
	Now time.Time
	// Batch is the number of events of a body; 0 mixes single objects and
	// arrays of 1 to 150 as the provider does.
	Batch int
	// Duplicates is the share of bodies that come again over the same URL.
	Duplicates float64
	// Backup is the share of bodies that come again over the backup URL.
	Backup float64
	// Malformed is the share of broken bodies added: truncated, HTML or empty.
	Malformed float64
	// Disorder is the share of messages of which later events are posted
	// before the delivery.
	Disorder float64
}

// DefaultConfig is a realistic mix that ends at now.
func DefaultConfig(now time.Time) Config {
	return Config{
		Seed: 1, Campaigns: 3, Recipients: 20_000, Now: now,
		Duplicates: 0.012, Backup: 0.004, Malformed: 0.002, Disorder: 0.01,
	}
}

// eventsPerRecipient is the mean number of events of one message, measured
// over the default mix (TestEventsPerRecipient).
const eventsPerRecipient = 1.72

// RecipientsFor returns the recipients per campaign that give about that many
// events in all.
func RecipientsFor(events, campaigns int) int {
	return int(float64(events)/float64(max(campaigns, 1))/eventsPerRecipient) + 1
}

func (c Config) validate() error {
	switch {
	case c.Campaigns < 1:
		return fmt.Errorf("campaigns: %d, want at least 1", c.Campaigns)
	case c.Recipients < 1:
		return fmt.Errorf("recipients: %d, want at least 1", c.Recipients)
	case c.Now.IsZero():
		return fmt.Errorf("now: missing, want the end of the simulated time")
	case c.Batch < 0 || c.Batch > 10_000:
		return fmt.Errorf("batch: %d, want 0 (mixed) to 10000", c.Batch)
	}
	for _, r := range []struct {
		name string
		v    float64
	}{{"duplicates", c.Duplicates}, {"backup", c.Backup}, {"malformed", c.Malformed}, {"disorder", c.Disorder}} {
		if !(r.v >= 0 && r.v <= 0.5) {
			return fmt.Errorf("%s: %v, want a share from 0 to 0.5", r.name, r.v)
		}
	}
	return nil
}
