package ruletest

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/schemas"
)

// moment is a point in time as it is written: so long after the test's start, or
// an instant.
type moment struct {
	after   time.Duration
	instant schemas.Timestamp // 0: after the start
}

func (m moment) in(start schemas.Timestamp) schemas.Timestamp {
	if m.instant != 0 {
		return m.instant
	}
	return start + schemas.Timestamp(m.after.Microseconds())
}

func (r *reader) moment(n *yaml.Node, path string) moment {
	text := r.text(n, path)
	if text == "" {
		return moment{}
	}
	m, err := parseMoment(text)
	if err != nil {
		r.fail(n, path, "%q is no time; write +2h, +1d2h30m, or an instant as 2026-03-02T09:00:00Z", text)
	}
	return m
}

func parseMoment(text string) (moment, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return moment{instant: schemas.FromTime(at)}, nil
	}
	d, err := parseOffset(text)
	return moment{after: d}, err
}

// parseOffset parses a duration with its sign, with days before the rest; 0 has
// none.
func parseOffset(text string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	if !negative {
		var signed bool
		if rest, signed = strings.CutPrefix(text, "+"); !signed && text != "0" {
			return 0, errors.New("no sign")
		}
	}
	var days int64
	if d, after, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseUint(d, 10, 16)
		if err != nil {
			return 0, err
		}
		days, rest = int64(n), after
	}
	var d time.Duration
	if rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil {
			return 0, err
		}
	}
	d += time.Duration(days) * 24 * time.Hour
	if negative {
		d = -d
	}
	return d, nil
}

// offset writes how long after the start an instant is.
func offset(at, start schemas.Timestamp) string {
	d := time.Duration(at-start) * time.Microsecond
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	if d == 0 {
		return "+0s"
	}
	text := sign
	if days := d / (24 * time.Hour); days > 0 {
		text += strconv.FormatInt(int64(days), 10) + "d"
		d -= days * 24 * time.Hour
	}
	if d > 0 {
		rest := d.String()
		if strings.HasSuffix(rest, "m0s") {
			rest = strings.TrimSuffix(rest, "0s")
		}
		if strings.HasSuffix(rest, "h0m") {
			rest = strings.TrimSuffix(rest, "0m")
		}
		text += rest
	}
	return text
}
