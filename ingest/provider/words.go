package provider

import (
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// bareAddress returns the address of "Name <address>".
func bareAddress(s string) string {
	s = strings.TrimSpace(s)
	if from := strings.LastIndexByte(s, '<'); from >= 0 && strings.HasSuffix(s, ">") {
		return strings.TrimSpace(s[from+1 : len(s)-1])
	}
	return s
}

// withSubtypes joins a provider's name of an event and what it says more of it.
func withSubtypes(name string, more ...string) string {
	for _, s := range more {
		if s = strings.TrimSpace(s); s != "" {
			name += ":" + s
		}
	}
	return name
}

// firstText returns the first text there is at one of the paths.
func firstText(v jsonscan.Value, paths ...[]string) string {
	for _, path := range paths {
		if s := textAt(v, path...); s != "" {
			return s
		}
	}
	return ""
}

// listText reads a list that may also come as the text of a JSON array.
func listText(v jsonscan.Value) []string {
	if v.Kind == jsonscan.String {
		if inner, err := jsonscan.Parse(v.Bytes()); err == nil && inner.Kind == jsonscan.Array {
			return texts(inner)
		}
	}
	return texts(v)
}

// anyTime reads a time however it is written: ISO 8601, or a number since 1970 in
// seconds, milliseconds or microseconds, which are told apart by their size. A
// time without a zone is UTC.
func anyTime(v jsonscan.Value) (_ schemas.Timestamp, precisionMS int32) {
	s := strings.TrimSpace(text(&v))
	if v.Kind == jsonscan.Number && strings.ContainsAny(s, "eE") {
		s = integer(v.Raw)
	}
	whole, fraction, _ := strings.Cut(s, ".")
	n, digits := int64(0), whole != "" && len(whole) <= 16
	for i := range len(whole) {
		digits = digits && whole[i] >= '0' && whole[i] <= '9'
		n = n*10 + int64(whole[i]-'0')
	}
	switch {
	case !digits:
		if at, precision := isoTime(s); at != 0 {
			return at, precision
		}
		return localTime(s)
	case n < 1e11:
		return unixSeconds(&v)
	case strings.Trim(fraction, "0123456789") != "":
		return 0, 0
	case n < 1e14:
		return schemas.Timestamp(n * 1000), 1
	}
	return schemas.Timestamp(n), 1
}

// localTime reads a time that names no zone, as UTC.
func localTime(s string) (_ schemas.Timestamp, precisionMS int32) {
	for _, layout := range [...]string{"2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			precisionMS = 1000
			if strings.ContainsRune(s, '.') {
				precisionMS = 1
			}
			return schemas.FromTime(t), precisionMS
		}
	}
	return 0, 0
}

// known returns what a provider says of a client or a place, unless it is that it
// does not know.
func known(s string) string {
	if s = strings.TrimSpace(s); strings.EqualFold(s, "unknown") {
		return ""
	}
	return s
}

// variables reads the sender's own data as payload does. Where there is none, some
// send an empty list for the empty object.
func variables(v *jsonscan.Value) map[string]string {
	if v.Kind == jsonscan.Array {
		if all := v.Elements(); !all.Next() {
			return nil
		}
	}
	return payload(v)
}
