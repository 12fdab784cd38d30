package provider

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// The bounds of a time that is believed, around that of receipt.
const (
	MaxEventAge    = 400 * 24 * time.Hour
	MaxEventFuture = time.Hour
)

// NativeCheck checks native events while their sender can still mend them: what
// decoding later passes over, as a number that is none or a word that nobody knows,
// is a fault here.
type NativeCheck struct {
	// Now is the time of receipt.
	Now time.Time

	ignored map[string]bool
	faults  []*Error
}

// maxIgnored bounds what is remembered of names that no field has.
const (
	maxIgnored     = 20
	maxIgnoredName = 64
)

// Event returns what is wrong with an event; nothing where it will be read. The
// faults are valid until the next call.
func (c *NativeCheck) Event(text []byte) []*Error {
	c.faults = c.faults[:0]
	o, err := jsonscan.Parse(text)
	if err != nil {
		c.fault(ReasonBadJSON, "", "this is not JSON: %v", err)
		return c.faults
	}
	if o.Kind != jsonscan.Object {
		c.fault(ReasonNotAnEvent, "", "this is JSON but not an object: an event is one, as {\"type\": \"opened\", ...}")
		return c.faults
	}
	f := nativeFields{unknown: c.ignore}
	f.readEvent(o)
	for field := range nativeFieldCount {
		if v := &f.values[field]; v.Kind > jsonscan.Null {
			if rule := &nativeRules[field]; !rule.ok(v) {
				c.fault(ReasonBadField, rule.name, "%s is not understood: %s", excerpt(v), rule.want)
			}
		}
	}
	c.required(&f)
	return c.faults
}

// required checks what no event can lack.
func (c *NativeCheck) required(f *nativeFields) {
	if missing(f, fieldType) {
		c.fault(ReasonMissingField, nativeRules[fieldType].name, "is missing: %s", nativeRules[fieldType].want)
	}
	if !f.names() {
		c.fault(ReasonMissingField, nativeRules[fieldRecipient].name, "is missing, and message_id too: name whom or what the event is about")
	}
	at := f.values[fieldOccurredAt]
	if at.Kind <= jsonscan.Null {
		c.fault(ReasonMissingField, nativeRules[fieldOccurredAt].name, "is missing: %s", nativeRules[fieldOccurredAt].want)
		return
	}
	t, _ := anyTime(at)
	switch age := c.Now.Sub(t.Time()); {
	case t == 0: // said already
	case age > MaxEventAge:
		c.fault(ReasonBadField, nativeRules[fieldOccurredAt].name, "%s lies more than %d days back: events as old as that can't be joined to anything any more; leave them out", excerpt(&at), int(MaxEventAge.Hours()/24))
	case age < -MaxEventFuture:
		c.fault(ReasonBadField, nativeRules[fieldOccurredAt].name, "%s lies in the future: mend the sender's clock or time zone", excerpt(&at))
	}
}

func missing(f *nativeFields, field nativeField) bool { return f.values[field].Kind <= jsonscan.Null }

// names tells whether an event says whom or what it is about, once it is decoded.
func (f *nativeFields) names() bool {
	to := texts(f.values[fieldRecipient])
	return len(to) > 0 && bareAddress(to[0]) != "" || f.id(fieldMessageID) != "" || f.id(fieldID) != ""
}

func (c *NativeCheck) fault(reason, field, format string, args ...any) {
	c.faults = append(c.faults, &Error{Reason: reason, Field: field, Detail: fmt.Sprintf(format, args...)})
}

func (c *NativeCheck) ignore(name, value jsonscan.Value) {
	text := name.Text()
	if text == "data" && value.Kind == jsonscan.Object {
		return // an envelope's
	}
	if c.ignored[text] || len(c.ignored) == maxIgnored || len(text) > maxIgnoredName {
		return
	}
	if c.ignored == nil {
		c.ignored = map[string]bool{}
	}
	c.ignored[strings.Clone(text)] = true
}

// Ignored returns the first names of members that no field reads, in order: they
// are kept with the webhook, and nothing is derived from them.
func (c *NativeCheck) Ignored() []string { return slices.Sorted(maps.Keys(c.ignored)) }

// excerpt is a value as sent, as far as it is short.
func excerpt(v *jsonscan.Value) string {
	const limit = 60
	s := strings.ToValidUTF8(string(v.Raw[:min(len(v.Raw), limit)]), "\ufffd")
	if len(v.Raw) > limit {
		s += "..."
	}
	if v.Kind == jsonscan.String {
		return strconv.Quote(s)
	}
	return s
}

// nativeRule is what a field may say.
type nativeRule struct {
	name string
	ok   func(v *jsonscan.Value) bool
	want string
}

var nativeRules = [nativeFieldCount]nativeRule{
	fieldType:            {"type", isType, "one of " + typeNames() + ", or a common name of one"},
	fieldRecipient:       {"recipient", isOneText, "one address as text; send an event for each recipient"},
	fieldMessageID:       {"message_id", isID, "a text or whole number"},
	fieldID:              {"id", isID, "a text or whole number"},
	fieldEventID:         {"event_id", isID, "a text or whole number"},
	fieldOccurredAt:      {"occurred_at", isTime, "a time as 2026-03-01T10:00:00Z, or a number since 1970 in s, ms or µs"},
	fieldCampaignID:      {"campaign_id", isID, "a text or whole number"},
	fieldCampaignName:    {"campaign_name", isText, "a text"},
	fieldContactID:       {"contact_id", isID, "a text or whole number"},
	fieldListID:          {"list_id", isID, "a text or whole number"},
	fieldCustomID:        {"custom_id", isText, "a text"},
	fieldMessageUUID:     {"message_uuid", isText, "a text"},
	fieldRFCMessageID:    {"rfc_message_id", isText, "a text"},
	fieldTags:            {"tags", isTexts, "a list of texts"},
	fieldMetadata:        {"metadata", isObject, "an object of texts"},
	fieldURL:             {"url", isText, "a text"},
	fieldLinkIndex:       {"link_index", isSmall, "a whole number below a million"},
	fieldIP:              {"ip", isIP, "an address as 192.0.2.1 or 2001:db8::1"},
	fieldUserAgent:       {"user_agent", isText, "a text"},
	fieldCountry:         {"country", isCountry, "two letters as of ISO 3166, as FR"},
	fieldRegion:          {"region", isText, "a text"},
	fieldCity:            {"city", isText, "a text"},
	fieldClientName:      {"client_name", isText, "a text"},
	fieldClientOS:        {"client_os", isText, "a text"},
	fieldDeviceType:      {"device_type", isText, "a text"},
	fieldMachine:         {"machine", wordIn("human", "proxy", "machine", "unknown", "true", "false", "1", "0"), "human, proxy, machine, true or false"},
	fieldMachineReasons:  {"machine_reasons", isTexts, "a list of texts"},
	fieldFirst:           {"first", wordIn("true", "false", "1", "0"), "true or false"},
	fieldBounceClass:     {"bounce_class", wordIn(slices.Collect(maps.Keys(bounceClasses))...), "hard, soft or block"},
	fieldRejectReason:    {"reject_reason", wordIn(slices.Collect(maps.Keys(rejectReasons))...), "one of " + strings.Join(slices.Sorted(maps.Keys(rejectReasons)), ", ")},
	fieldDescription:     {"description", isText, "a text"},
	fieldSMTPCode:        {"smtp_code", isReply, "a number from 200 to 599"},
	fieldSMTPEnhanced:    {"smtp_enhanced", isEnhanced, "three numbers as 5.1.1"},
	fieldMTAResponse:     {"mta_response", isText, "a text"},
	fieldComplaintSource: {"complaint_source", isText, "a text"},
	fieldAttempt:         {"attempt", isSmall, "a whole number below a million"},
}

func typeNames() string {
	var names []string
	for _, t := range nativeTypes {
		names = append(names, t.String())
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func isText(v *jsonscan.Value) bool { return v.Kind == jsonscan.String || v.Kind == jsonscan.Number }

// isID takes 0 too, which says that there is none.
func isID(v *jsonscan.Value) bool {
	return v.Kind == jsonscan.String || v.Kind == jsonscan.Number && integer(v.Raw) != ""
}

func isType(v *jsonscan.Value) bool {
	if v.Kind != jsonscan.String {
		return false
	}
	name := strings.TrimSpace(v.Text())
	t, _ := nativeType(name)
	return t != schemas.EventTypeUnknown || strings.EqualFold(name, schemas.EventTypeUnknown.String())
}

func isOneText(v *jsonscan.Value) bool {
	all := texts(*v)
	return len(all) == 1 && (v.Kind == jsonscan.String || v.Kind == jsonscan.Array)
}

func isTexts(v *jsonscan.Value) bool {
	ok := true
	each(*v, func(v jsonscan.Value) { ok = ok && (isText(&v) || v.Kind == jsonscan.Null) })
	return ok
}

// isObject takes an object, or one as text: CSV has nothing else.
func isObject(v *jsonscan.Value) bool {
	if v.Kind == jsonscan.String {
		inner, err := jsonscan.Parse(v.Bytes())
		return err == nil && inner.Kind == jsonscan.Object
	}
	return v.Kind == jsonscan.Object
}

func isTime(v *jsonscan.Value) bool {
	at, _ := anyTime(*v)
	return at != 0
}

func isSmall(v *jsonscan.Value) bool {
	digits := strings.TrimSpace(text(v))
	return smallNumber(v) != 0 || isText(v) && digits != "" && strings.Trim(digits, "0") == ""
}

func isReply(v *jsonscan.Value) bool {
	code := smallNumber(v)
	return 200 <= code && code < 600
}

func isEnhanced(v *jsonscan.Value) bool {
	s := strings.TrimSpace(text(v))
	return s != "" && enhancedAt(s, 0) == s
}

// isIP takes an address with white space around it, as decoding does.
func isIP(v *jsonscan.Value) bool {
	_, err := netip.ParseAddr(strings.TrimSpace(text(v)))
	return err == nil
}

// isCountry takes what geolocation says for "unknown" too: it is no fault of the
// sender, and says nothing.
func isCountry(v *jsonscan.Value) bool {
	s := strings.ToUpper(strings.TrimSpace(text(v)))
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

// wordIn takes one of some words, in any case, or true and false themselves.
func wordIn(words ...string) func(*jsonscan.Value) bool {
	return func(v *jsonscan.Value) bool {
		switch v.Kind {
		case jsonscan.String, jsonscan.Number, jsonscan.Bool:
			return slices.Contains(words, strings.ToLower(strings.TrimSpace(string(v.Raw))))
		}
		return false
	}
}
