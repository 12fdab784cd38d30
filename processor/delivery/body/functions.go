package body

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// functions are those that templates have beside the language's own: none reads or
// changes anything, and each depends on its arguments alone.
var functions = template.FuncMap{
	// json writes a value as JSON.
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	// default returns its first argument where the second is empty or zero, to be
	// used as {{.campaign.name | default "no name"}}.
	"default": func(otherwise, v any) any {
		if truth, _ := template.IsTrue(v); truth {
			return v
		}
		return otherwise
	},
	"lower":   strings.ToLower,
	"upper":   strings.ToUpper,
	"trim":    strings.TrimSpace,
	"replace": func(old, with, in string) string { return strings.ReplaceAll(in, old, with) },
	"date":    date,
	// call would call what a value is; none is a function.
	"call": func(any) (string, error) { return "", fmt.Errorf("there is nothing to call") },
}

// date writes a time of the trigger's in a layout of Go's and a time zone, such as
// {{.occurred_at | date "2006-01-02 15:04" "Europe/Paris"}}; none stays empty.
func date(layout, zone, at string) (string, error) {
	if at == "" {
		return "", nil
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return "", fmt.Errorf("%q is no time of a trigger", at)
	}
	where, err := time.LoadLocation(zone)
	if err != nil {
		return "", fmt.Errorf("%q is no time zone; write such as Europe/Paris", zone)
	}
	return t.In(where).Format(layout), nil
}
