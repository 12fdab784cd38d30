package engagement

import (
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// campaignRules counts an event for the rules of campaigns, or takes it back with
// the sign -1.
func (t *task) campaignRules(*schemas.Event, int64) {}

// flushCampaignRules emits what campaignRules counted.
func (t *task) flushCampaignRules(stream.Context) {}

// suppress takes an event into what is known of its recipient.
func (t *task) suppress(stream.Context, *schemas.Event) error { return nil }

// flushSuppressions emits the suppressions that changed.
func (t *task) flushSuppressions(stream.Context) error { return nil }
