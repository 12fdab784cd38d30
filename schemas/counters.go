package schemas

// Add adds the counts of b, which may be signed, to x.
func (x *Counters) Add(b *Counters) {
	x.Messages += b.Messages
	x.Queued += b.Queued
	x.Deferred += b.Deferred
	x.Delivered += b.Delivered
	x.Rejected += b.Rejected
	x.Failed += b.Failed
	x.HardBounced += b.HardBounced
	x.SoftBounced += b.SoftBounced
	x.Opened += b.Opened
	x.HumanOpened += b.HumanOpened
	x.Opens += b.Opens
	x.HumanOpens += b.HumanOpens
	x.Clicked += b.Clicked
	x.HumanClicked += b.HumanClicked
	x.Clicks += b.Clicks
	x.HumanClicks += b.HumanClicks
	x.Unsubscribed += b.Unsubscribed
	x.Unsubscribes += b.Unsubscribes
	x.Complained += b.Complained
	x.Complaints += b.Complaints
	x.LateBounces += b.LateBounces
	x.OpenDelayMS += b.OpenDelayMS
	x.OpenDelays += b.OpenDelays
	x.ClickDelayMS += b.ClickDelayMS
	x.ClickDelays += b.ClickDelays
}
