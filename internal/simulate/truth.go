package simulate

// Truth is what an exact receiver of all the bodies must arrive at.
type Truth struct {
	// Campaigns in the order they were sent.
	Campaigns []CampaignTruth
	// Bodies counts the bodies generated, of all kinds.
	Bodies int64
	// Events counts the events of well-formed bodies, repeats included.
	Events int64
	// UniqueEvents counts the distinct events.
	UniqueEvents int64
	// DuplicateEvents counts the events of repeated bodies.
	DuplicateEvents int64
	// RepeatedBodies counts bodies posted again, BackupBodies those of them
	// that came over the backup URL.
	RepeatedBodies, BackupBodies int64
	// MalformedBodies counts the bodies that cannot be read. Whatever a
	// truncated one still shows was posted in a good body as well.
	MalformedBodies int64
	// NaiveCallbacks is what "one discount for each open webhook" would have
	// sent: machines, repeats and late opens included.
	NaiveCallbacks int64
}

// CampaignTruth is what is true of one campaign. Messages are counted by their
// outcome; "human" is everything that is not certainly a machine.
type CampaignTruth struct {
	ID, Name string // mj_campaign_id and customcampaign

	Messages    int64 // messages processed
	Accepted    int64 // had a delivery, late bounces included
	Delivered   int64 // outcome delivered: Accepted - LateBounces
	Deferred    int64 // only temporary failures so far
	Rejected    int64 // blocked
	HardBounced int64 // late ones included
	SoftBounced int64
	LateBounces int64 // bounced after delivery

	Opened, HumanOpened   int64 // messages
	Opens, HumanOpens     int64 // events
	Clicked, HumanClicked int64
	Clicks, HumanClicks   int64
	Unsubscribed          int64
	Complained            int64
	OpenDelaySeconds      int64 // sum over opened messages, delivery to first open
	OpenedWithin24h       int64 // messages opened by anyone within 24 hours of the delivery
	HumanOpenedWithin24h  int64 // by a human: who gets the discount, once per message
	MachineOnlyWithin24h  int64 // opened within 24 hours, by machines alone
}

// Triggers is the number of callbacks that "human open within 24 hours of the
// send, once per message" must make.
func (t *Truth) Triggers() int64 { return t.Total().HumanOpenedWithin24h }

// Total is the sum over the campaigns, without id and name.
func (t *Truth) Total() CampaignTruth {
	var s CampaignTruth
	for i := range t.Campaigns {
		c := &t.Campaigns[i]
		s.Messages += c.Messages
		s.Accepted += c.Accepted
		s.Delivered += c.Delivered
		s.Deferred += c.Deferred
		s.Rejected += c.Rejected
		s.HardBounced += c.HardBounced
		s.SoftBounced += c.SoftBounced
		s.LateBounces += c.LateBounces
		s.Opened += c.Opened
		s.HumanOpened += c.HumanOpened
		s.Opens += c.Opens
		s.HumanOpens += c.HumanOpens
		s.Clicked += c.Clicked
		s.HumanClicked += c.HumanClicked
		s.Clicks += c.Clicks
		s.HumanClicks += c.HumanClicks
		s.Unsubscribed += c.Unsubscribed
		s.Complained += c.Complained
		s.OpenDelaySeconds += c.OpenDelaySeconds
		s.OpenedWithin24h += c.OpenedWithin24h
		s.HumanOpenedWithin24h += c.HumanOpenedWithin24h
		s.MachineOnlyWithin24h += c.MachineOnlyWithin24h
	}
	return s
}
