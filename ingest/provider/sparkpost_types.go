package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// sparkpostTypes are the types of events that concern a message sent.
var sparkpostTypes = map[string]schemas.EventType{
	"injection":            schemas.EventTypeQueued,
	"delivery":             schemas.EventTypeDelivered,
	"delay":                schemas.EventTypeDeferred,
	"bounce":               schemas.EventTypeBounced,
	"out_of_band":          schemas.EventTypeBounced,
	"policy_rejection":     schemas.EventTypeRejected,
	"generation_rejection": schemas.EventTypeRejected,
	"generation_failure":   schemas.EventTypeFailed,
	"spam_complaint":       schemas.EventTypeComplained,
	"open":                 schemas.EventTypeOpened,
	"initial_open":         schemas.EventTypeOpened,
	"amp_open":             schemas.EventTypeOpened,
	"amp_initial_open":     schemas.EventTypeOpened,
	"click":                schemas.EventTypeClicked,
	"amp_click":            schemas.EventTypeClicked,
	"list_unsubscribe":     schemas.EventTypeUnsubscribed,
	"link_unsubscribe":     schemas.EventTypeUnsubscribed,
}

// sparkpostClassify sets the event's type and what belongs to that type only.
func sparkpostClassify(ev *schemas.Event, o jsonscan.Value) {
	name := strings.ToLower(ev.ProviderType)
	ev.Type = sparkpostTypes[name]
	switch ev.Type {
	case schemas.EventTypeDelivered:
		ev.Attempt = sparkpostAttempt(o)
	case schemas.EventTypeDeferred:
		ev.Attempt = sparkpostAttempt(o)
		sparkpostReply(ev, o)
	case schemas.EventTypeBounced:
		sparkpostReply(ev, o)
		sparkpostBounce(ev, o)
	case schemas.EventTypeRejected:
		// For what the account or SparkPost does not allow, a suppressed address
		// mostly.
		sparkpostReply(ev, o)
		ev.RejectReason = rejectBlocked
		if class, ok := sparkpostClasses[textAt(o, "bounce_class")]; ok {
			ev.RejectReason = class.reason
		}
	case schemas.EventTypeFailed:
		sparkpostReply(ev, o)
		ev.RejectReason = rejectOther
	case schemas.EventTypeComplained:
		ev.ComplaintSource = firstText(o, []string{"report_by"}, []string{"user_str"}, []string{"fbtype"})
	case schemas.EventTypeOpened:
		// One look loads two images: the initial one stands at the mail's beginning.
		ev.First = strings.HasSuffix(name, "initial_open")
		sparkpostEngagement(ev, o)
	case schemas.EventTypeClicked:
		ev.URL = textAt(o, "target_link_url")
		sparkpostEngagement(ev, o)
	case schemas.EventTypeUnsubscribed:
		sparkpostEngagement(ev, o)
	}
}

// sparkpostAttempt returns the number of the attempt: SparkPost counts those that
// failed before.
func sparkpostAttempt(o jsonscan.Value) int32 {
	retries := lookup(o, "num_retries")
	return fromOne(&retries)
}

// sparkpostReply reads what the recipient's server or SparkPost said. Its reason
// is the same with addresses taken out.
func sparkpostReply(ev *schemas.Event, o jsonscan.Value) {
	ev.MTAResponse = firstText(o, []string{"raw_reason"}, []string{"reason"})
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
	sent := lookup(o, "error_code")
	if code := smallNumber(&sent); ev.SMTPCode == 0 && code >= 200 && code < 600 {
		ev.SMTPCode = code
	}
	ev.Description = textAt(o, "reason")
	if class, ok := sparkpostClasses[textAt(o, "bounce_class")]; ok {
		ev.Description = class.name
	}
}

// sparkpostClass is what a class of bounces means.
type sparkpostClass struct {
	name          string
	event         schemas.EventType
	class, reason string
}

// sparkpostClasses are all of them. Some are mail that came back without being a
// bounce.
//
// https://support.sparkpost.com/docs/deliverability/bounce-classification-codes
var sparkpostClasses = map[string]sparkpostClass{
	"1":   {"Undetermined", schemas.EventTypeBounced, bounceSoft, rejectOther},
	"10":  {"Invalid Recipient", schemas.EventTypeBounced, bounceHard, rejectInvalid},
	"20":  {"Soft Bounce", schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"21":  {"DNS Failure", schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"22":  {"Mailbox Full", schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"23":  {"Too Large", schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"24":  {"Timeout", schemas.EventTypeBounced, bounceSoft, rejectTimedOut},
	"25":  {"Admin Failure", schemas.EventTypeBounced, bounceBlock, rejectBlocked},
	"30":  {"Generic Bounce: No RCPT", schemas.EventTypeBounced, bounceHard, rejectBounced},
	"40":  {"Generic Bounce", schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"50":  {"Mail Block", schemas.EventTypeBounced, bounceBlock, rejectBlocked},
	"51":  {"Spam Block", schemas.EventTypeBounced, bounceBlock, rejectSpam},
	"52":  {"Spam Content", schemas.EventTypeBounced, bounceBlock, rejectSpam},
	"53":  {"Prohibited Attachment", schemas.EventTypeBounced, bounceBlock, rejectOther},
	"54":  {"Relaying Denied", schemas.EventTypeBounced, bounceBlock, rejectBlocked},
	"60":  {"Auto-Reply", schemas.EventTypeAutoresponded, "", rejectOther},
	"70":  {"Transient Failure", schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"80":  {"Subscribe", schemas.EventTypeSubscribed, "", ""},
	"90":  {"Unsubscribe", schemas.EventTypeUnsubscribed, "", rejectUnsubscribed},
	"100": {"Challenge-Response", schemas.EventTypeAutoresponded, "", rejectOther},
}

// sparkpostBounce reads the class of a bounce. Without one that is known, the
// reply's code tells whether it is final.
func sparkpostBounce(ev *schemas.Event, o jsonscan.Value) {
	code := strings.TrimSpace(textAt(o, "bounce_class"))
	ev.ProviderType = withSubtypes(ev.ProviderType, code)
	class, known := sparkpostClasses[code]
	if !known {
		class.event, class.class, class.reason = schemas.EventTypeBounced, bounceSoft, rejectBounced
		if ev.SMTPCode/100 == 5 || ev.SMTPCode == 0 && strings.HasPrefix(ev.SMTPEnhanced, "5") {
			class.class = bounceHard
		}
	}
	ev.Type, ev.BounceClass, ev.RejectReason = class.event, class.class, class.reason
}

var (
	reasonSparkPostPrefetch = []string{"sparkpost_prefetched"}
	reasonSparkPostProxy    = []string{"sparkpost_proxy"}
)

// sparkpostEngagement reads who opened, clicked or unsubscribed.
func sparkpostEngagement(ev *schemas.Event, o jsonscan.Value) {
	ip, code := lookup(o, "ip_address"), lookup(o, "geo_ip", "country")
	ev.IP, ev.Country = ipAddress(&ip), country(&code)
	ev.Region, ev.City = textAt(o, "geo_ip", "region"), textAt(o, "geo_ip", "city")
	ev.UserAgent = textAt(o, "user_agent")

	client := lookup(o, "user_agent_parsed")
	ev.ClientName, ev.ClientOS = sparkpostClient(client, "agent_family"), sparkpostClient(client, "os_family")
	mobile := lookup(client, "is_mobile")
	switch {
	case strings.EqualFold(textAt(client, "device_family"), "iPad"):
		ev.DeviceType = "tablet"
	case boolean(&mobile):
		ev.DeviceType = "mobile"
	}

	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
	prefetched, proxy := lookup(client, "is_prefetched"), lookup(client, "is_proxy")
	reason, class := reasonSparkPostPrefetch, schemas.MachineMachine
	switch {
	case boolean(&prefetched):
	case boolean(&proxy):
		reason, class = reasonSparkPostProxy, schemas.MachineProxy
	default:
		return
	}
	if ev.Machine >= class {
		ev.MachineReasons = append(reason[:1:1], ev.MachineReasons...)
		return
	}
	ev.Machine, ev.MachineReasons = class, reason
}

// sparkpostClient reads a name of a parsed user agent, where it is known.
func sparkpostClient(client jsonscan.Value, field string) string {
	if s := textAt(client, field); s != "Other" {
		return s
	}
	return ""
}
