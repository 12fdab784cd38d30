package rehearsal

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// Campaigns rehearses the campaign stage: the rules that count a campaign. Any
// part of the campaigns may be rehearsed by itself.
type Campaigns struct {
	frontier
	fired func(*schemas.Trigger) error
}

// NewCampaigns starts with nothing counted. Fired is called for each trigger
// in the order in which they fire.
func NewCampaigns(c Config, fired func(*schemas.Trigger) error) (*Campaigns, error) {
	d, err := streamtest.New(campaign.Stage(campaign.Config{Serde: serde, Rules: trigger.NewLive(c.Rules), Retention: c.Retention}), 0)
	if err != nil {
		return nil, err
	}
	r := &Campaigns{fired: fired}
	r.frontier = frontier{driver: d, emit: r.emit}
	return r, nil
}

// Delta takes a change of what rules count. None of its steps may be over at the
// frontier.
func (c *Campaigns) Delta(d *schemas.CampaignDelta) error {
	return c.driver.Process(&kgo.Record{
		Key: []byte(d.Tenant + "/" + d.CampaignID), Value: serde.Append(nil, schemas.TopicCampaignDeltas, d),
	})
}

// Advance commits what was taken and moves the frontier.
func (c *Campaigns) Advance(to schemas.Timestamp) error {
	if err := c.commit(); err != nil {
		return err
	}
	return c.moveTo(to)
}

func (c *Campaigns) emit(rec *kgo.Record) error {
	if rec.Topic != schemas.TopicTriggers {
		return nil
	}
	return emitTrigger(rec, c.fired)
}
