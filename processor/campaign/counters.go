package campaign

import "github.com/posthorn/posthorn/schemas"

// add adds the counts of b to a.
func add(a, b *schemas.Counters) {
	a.Messages += b.Messages
	a.Queued += b.Queued
	a.Deferred += b.Deferred
	a.Delivered += b.Delivered
	a.Rejected += b.Rejected
	a.Failed += b.Failed
	a.HardBounced += b.HardBounced
	a.SoftBounced += b.SoftBounced
	a.Opened += b.Opened
	a.HumanOpened += b.HumanOpened
	a.Opens += b.Opens
	a.HumanOpens += b.HumanOpens
	a.Clicked += b.Clicked
	a.HumanClicked += b.HumanClicked
	a.Clicks += b.Clicks
	a.HumanClicks += b.HumanClicks
	a.Unsubscribed += b.Unsubscribed
	a.Unsubscribes += b.Unsubscribes
	a.Complained += b.Complained
	a.Complaints += b.Complaints
	a.LateBounces += b.LateBounces
	a.OpenDelayMS += b.OpenDelayMS
	a.OpenDelays += b.OpenDelays
	a.ClickDelayMS += b.ClickDelayMS
	a.ClickDelays += b.ClickDelays
}
