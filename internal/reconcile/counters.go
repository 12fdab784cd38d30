package reconcile

import (
	"github.com/posthorn/posthorn/internal/mailjetapi"
	"github.com/posthorn/posthorn/schemas"
)

// Counter is one figure that both sides have.
type Counter struct {
	// Name is ours, a column of campaign_statistics or several added up.
	Name string
	// Mailjet is theirs, counters of /statcounters added up.
	Mailjet string
	// AtLeast marks a counter of which we may have more without any fault: only
	// less is a difference.
	AtLeast bool
	// Hourly counters can be compared by hour: they follow from each event alone.
	Hourly bool
	// State marks counters of messages in a state. Mailjet does not document what
	// dates one, so that by hour it may fall on the other side of the hour's end.
	State bool
	// Why says what keeps the two from being the same figure, empty where nothing
	// does.
	Why string

	ours   func(*schemas.Counters) int64
	theirs func(*mailjetapi.StatCounters) int64
}

type (
	own   = schemas.Counters
	their = mailjetapi.StatCounters
)

var counters = []Counter{
	{
		Name: "messages", Mailjet: "Total - MessageQueuedCount",
		Why:  "we know a message by its first event, and Mailjet tells of none while it is queued",
		ours: func(c *own) int64 { return c.Messages }, theirs: func(c *their) int64 { return c.Total - c.MessageQueuedCount },
	},
	{
		Name: "delivered", State: true, Mailjet: "MessageSentCount", Hourly: true,
		ours: func(c *own) int64 { return c.Delivered }, theirs: func(c *their) int64 { return c.MessageSentCount },
	},
	{
		Name: "rejected", State: true, Mailjet: "MessageBlockedCount", Hourly: true,
		ours: func(c *own) int64 { return c.Rejected }, theirs: func(c *their) int64 { return c.MessageBlockedCount },
	},
	{
		Name: "hard_bounced", State: true, Mailjet: "MessageHardBouncedCount", Hourly: true,
		ours: func(c *own) int64 { return c.HardBounced }, theirs: func(c *their) int64 { return c.MessageHardBouncedCount },
	},
	{
		Name: "soft_bounced + deferred", Mailjet: "MessageSoftBouncedCount + MessageDeferredCount",
		Why:  "no event tells when Mailjet gives up retrying, which makes of deferred a soft bounce",
		ours: func(c *own) int64 { return c.SoftBounced + c.Deferred }, theirs: func(c *their) int64 { return c.MessageSoftBouncedCount + c.MessageDeferredCount },
	},
	{
		Name: "opened", Mailjet: "MessageOpenedCount",
		ours: func(c *own) int64 { return c.Opened }, theirs: func(c *their) int64 { return c.MessageOpenedCount },
	},
	{
		Name: "opens", Mailjet: "EventOpenedCount", Hourly: true,
		ours: func(c *own) int64 { return c.Opens }, theirs: func(c *their) int64 { return c.EventOpenedCount },
	},
	{
		Name: "clicked", Mailjet: "MessageClickedCount", AtLeast: true,
		Why:  "Mailjet leaves out messages of which only the link to unsubscribe was clicked",
		ours: func(c *own) int64 { return c.Clicked }, theirs: func(c *their) int64 { return c.MessageClickedCount },
	},
	{
		Name: "clicks", Mailjet: "EventClickedCount", Hourly: true,
		ours: func(c *own) int64 { return c.Clicks }, theirs: func(c *their) int64 { return c.EventClickedCount },
	},
	{
		Name: "unsubscribed", Mailjet: "MessageUnsubscribedCount",
		ours: func(c *own) int64 { return c.Unsubscribed }, theirs: func(c *their) int64 { return c.MessageUnsubscribedCount },
	},
	{
		Name: "unsubscribes", Mailjet: "EventUnsubscribedCount", Hourly: true,
		ours: func(c *own) int64 { return c.Unsubscribes }, theirs: func(c *their) int64 { return c.EventUnsubscribedCount },
	},
	{
		Name: "complained", Mailjet: "MessageSpamCount",
		ours: func(c *own) int64 { return c.Complained }, theirs: func(c *their) int64 { return c.MessageSpamCount },
	},
	{
		Name: "complaints", Mailjet: "EventSpamCount", Hourly: true,
		ours: func(c *own) int64 { return c.Complaints }, theirs: func(c *their) int64 { return c.EventSpamCount },
	},
}

// Counters are all that is compared, in the order in which it is shown.
func Counters() []Counter { return append([]Counter(nil), counters...) }
