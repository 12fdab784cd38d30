package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// The checks, in the report's order.
const (
	checkWebhooks     = "webhooks"
	checkEvents       = "events"
	checkMessages     = "messages"
	checkStatistics   = "statistics"
	checkTriggers     = "triggers"
	checkSuppressions = "suppressions"
	checkRejections   = "rejections"
	checkBreakdowns   = "breakdowns"
	checkRecipients   = "recipients"
)

func newReport() *Report {
	r := &Report{}
	for _, name := range []string{checkWebhooks, checkEvents, checkMessages, checkStatistics, checkTriggers, checkSuppressions, checkRejections, checkBreakdowns, checkRecipients} {
		r.check(name)
	}
	return r
}

// equal compares two records of one type by their encoding, which is unique.
func equal(a, b schemas.Record) bool { return bytes.Equal(a.AppendAvro(nil), b.AppendAvro(nil)) }

// diff names the fields in which two records of one type differ.
func diff(want, got schemas.Record) string {
	w, g := fields(want), fields(got)
	var out []string
	names := slices.Sorted(maps.Keys(w))
	for name := range g {
		if _, ok := w[name]; !ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if string(w[name]) != string(g[name]) {
			out = append(out, fmt.Sprintf("%s is %s, want %s", name, orNull(g[name]), orNull(w[name])))
		}
	}
	return strings.Join(out, ", ")
}

func orNull(text json.RawMessage) string {
	if text == nil {
		return "null"
	}
	return string(text)
}

func fields(r schemas.Record) map[string]json.RawMessage {
	text, err := json.Marshal(r)
	if err != nil {
		return map[string]json.RawMessage{"error": json.RawMessage(err.Error())}
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		return map[string]json.RawMessage{"error": json.RawMessage(err.Error())}
	}
	return m
}
