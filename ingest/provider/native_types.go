package provider

import (
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

var bounceClasses = map[string]string{
	"hard": bounceHard, "permanent": bounceHard,
	"soft": bounceSoft, "transient": bounceSoft, "temporary": bounceSoft,
	"block": bounceBlock, "blocked": bounceBlock,
}

var rejectReasons = map[string]bool{
	rejectInvalid: true, rejectBounced: true, rejectTimedOut: true, rejectBlocked: true, rejectSpam: true, rejectUnsubscribed: true, rejectOther: true,
}

// nativeTypes are names of types, in lower case and without separators.
var nativeTypes = func() map[string]schemas.EventType {
	m := map[string]schemas.EventType{}
	for t, names := range map[schemas.EventType]string{
		schemas.EventTypeQueued:        "queued queue accepted accept processed request requested scheduled",
		schemas.EventTypeSent:          "sent send",
		schemas.EventTypeDelivered:     "delivered delivery deliver",
		schemas.EventTypeDeferred:      "deferred deferral defer delayed delay deliverydelayed deliverydelay",
		schemas.EventTypeBounced:       "bounced bounce hardbounced hardbounce softbounced softbounce undeliverable",
		schemas.EventTypeRejected:      "rejected reject dropped drop blocked block suppressed",
		schemas.EventTypeFailed:        "failed failure fail error renderingfailure",
		schemas.EventTypeOpened:        "opened open uniqueopened uniqueopen",
		schemas.EventTypeClicked:       "clicked click linkclicked linkclick uniqueclicked uniqueclick",
		schemas.EventTypeComplained:    "complained complaint complain spam spamreport spamcomplaint spamreported markedasspam reportedspam",
		schemas.EventTypeUnsubscribed:  "unsubscribed unsubscribe unsub optout optedout listunsubscribe",
		schemas.EventTypeSubscribed:    "subscribed subscribe sub resubscribed resubscribe optin optedin",
		schemas.EventTypeAutoresponded: "autoresponded autoresponse autoresponder autoreply autoreplied outofoffice",
		schemas.EventTypeUnsuppressed:  "unsuppressed unsuppress",
		schemas.EventTypeUnknown:       "unknown",
	} {
		for _, name := range strings.Fields(names) {
			m[name] = t
		}
	}
	return m
}()

// nativeType reads the name of a type, whatever is put in front ("email.opened",
// "message_clicked") or behind it ("bounced.hard"), and the class of bounce that it
// tells.
func nativeType(name string) (t schemas.EventType, class string) {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(" ._-:/", r) })
	if len(words) > maxTypeWords {
		return schemas.EventTypeUnknown, ""
	}
	// The longest run of words is the most telling, and of two the later one:
	// "message.delivery.delayed" is no delivery. What else is said of a bounce, as
	// "bounce.blocked", does not change that it is one.
	for length := len(words); length > 0 && t == schemas.EventTypeUnknown; length-- {
		for from := len(words) - length; from >= 0; from-- {
			found := typeOfWord(strings.Join(words[from:from+length], ""))
			if negates(words[:from]) || t != schemas.EventTypeUnknown && found != schemas.EventTypeBounced {
				continue
			}
			t = found
		}
	}
	if t != schemas.EventTypeBounced {
		return t, ""
	}
	for _, w := range words {
		if c := bounceClasses[strings.TrimSuffix(strings.TrimSuffix(w, "bounced"), "bounce")]; c != "" {
			class = c
		}
	}
	return t, class
}

const maxTypeWords = 8

func typeOfWord(word string) schemas.EventType {
	for _, subject := range [...]string{"", "email", "message", "mail"} {
		if t, ok := nativeTypes[strings.TrimPrefix(word, subject)]; ok {
			return t
		}
	}
	return schemas.EventTypeUnknown
}

// negates tells whether words turn the meaning of the one behind them around.
func negates(words []string) bool {
	if len(words) == 0 {
		return false
	}
	switch words[len(words)-1] {
	case "not", "never", "no":
		return true
	}
	return false
}

// smallNumber reads a whole number below a million that is not negative.
func smallNumber(v *jsonscan.Value) int32 {
	s := strings.TrimSpace(text(v))
	if v.Kind == jsonscan.Number {
		s = integer(v.Raw)
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n >= 1e6 {
		return 0
	}
	return int32(n)
}
