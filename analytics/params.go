package analytics

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// limitOf reads the parameter limit.
func limitOf(r *http.Request, standard, most int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badParam("limit", fmt.Sprintf("want a number from 1 to %d", most))
	}
	return n, nil
}

// daysOf reads a number of days; 0 is none.
func daysOf(r *http.Request, name string, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, badParam(name, fmt.Sprintf("want a number of days from 0 to %d", most))
	}
	return n, nil
}

// timeOf reads a time: RFC 3339, or a day, which begins at midnight in loc.
func timeOf(r *http.Request, name string, loc *time.Location) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range [...]string{time.RFC3339, time.DateOnly} {
		// The database knows no times outside of these years.
		if t, err := time.ParseInLocation(layout, text, loc); err == nil && 1970 <= t.Year() && t.Year() < 2200 {
			return t, nil
		}
	}
	return time.Time{}, badParam(name, "want a time as 2026-01-31T15:04:05Z or a day as 2026-01-31")
}

// knownParams refuses parameters that are none: a filter with a slip of the pen
// would otherwise be no filter.
// The parameter format is everywhere, see formOf.
func knownParams(r *http.Request, known ...string) error {
	for name := range r.URL.Query() {
		switch {
		case name == "format":
		case len(known) == 0:
			return badParam(name, "there are no parameters here")
		case !slices.Contains(known, name):
			return badParam(name, "there is none of this name; there are "+strings.Join(known, ", "))
		}
	}
	return nil
}

// oneOf reads a parameter that is one of some words; the first is the standard.
func oneOf(r *http.Request, name string, allowed ...string) (string, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return allowed[0], nil
	}
	if !slices.Contains(allowed, text) {
		return "", badParam(name, "want one of "+strings.Join(slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" }), ", "))
	}
	return text, nil
}

// idOf reads an id.
func idOf(r *http.Request, name string) (id uuid.UUID, given bool, err error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return id, false, nil
	}
	if id, err = uuid.Parse(text); err != nil {
		return id, false, badParam(name, "want an id as 01234567-89ab-cdef-0123-456789abcdef")
	}
	return id, true, nil
}

// pageKey writes what a page ends with as the parameter after of the next one.
func pageKey(key any) string {
	b, _ := json.Marshal(key) // Texts and numbers never fail.
	return base64.RawURLEncoding.EncodeToString(b)
}

// pageOf reads the parameter after into key, and tells whether it was given.
func pageOf(r *http.Request, key any) (given bool, err error) {
	text := r.URL.Query().Get("after")
	if text == "" {
		return false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, key)
	}
	if err != nil {
		return false, badParam("after", "want what next said")
	}
	return true, nil
}

// filter gathers the conditions of a query and their arguments.
type filter struct {
	conditions []string
	args       []any
}

func (f *filter) add(condition string, args ...any) {
	f.conditions = append(f.conditions, condition)
	f.args = append(f.args, args...)
}

// text adds a parameter that a column must be equal to, where it is given.
func (f *filter) text(r *http.Request, name, column string) {
	if text := r.URL.Query().Get(name); text != "" {
		f.add(column+" = ?", text)
	}
}

// id adds an id that a column must be equal to, where it is given.
func (f *filter) id(r *http.Request, name, column string) error {
	id, given, err := idOf(r, name)
	if given {
		f.add(column+" = ?", id)
	}
	return err
}

// period adds since and until for a column of times.
func (f *filter) period(r *http.Request, column string) error {
	since, err := timeOf(r, "since", time.UTC)
	if err != nil {
		return err
	}
	until, err := timeOf(r, "until", time.UTC)
	if err != nil {
		return err
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return badParam("until", "must be later than since")
	}
	f.since(since, column)
	if !until.IsZero() {
		f.add(column+" < fromUnixTimestamp64Micro(toInt64(?))", until.UnixMicro())
	}
	return nil
}

// since adds the earliest time of a column, where there is one.
func (f *filter) since(t time.Time, column string) {
	if !t.IsZero() {
		f.add(column+" >= fromUnixTimestamp64Micro(toInt64(?))", t.UnixMicro())
	}
}

func (f *filter) String() string { return strings.Join(f.conditions, " AND ") }
