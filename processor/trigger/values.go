package trigger

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/schemas"
)

func (w *walk) oneOf(n *yaml.Node, field string, values ...string) string {
	if !slices.Contains(values, n.Value) {
		w.fail(n, field, fmt.Sprintf("%q is not possible; %swant one of %s", n.Value, suggestion(n.Value, values), strings.Join(values, ", ")))
		return values[0]
	}
	return n.Value
}

// maxDuration bounds durations: facts of messages are kept for 400 days.
const maxDuration = 400 * 24 * time.Hour

func (w *walk) duration(n *yaml.Node, field string) time.Duration {
	d, err := parseDuration(n.Value)
	if err != nil || d <= 0 || d > maxDuration || d%time.Microsecond != 0 {
		w.fail(n, field, fmt.Sprintf("%q is no duration from 1us to 400d; write it as 90m, 24h or 7d", n.Value))
		return 0
	}
	return d
}

// durationUpTo reads a duration that may be zero.
func (w *walk) durationUpTo(n *yaml.Node, field string, most time.Duration) time.Duration {
	d, err := parseDuration(n.Value)
	if n.Value == "0" {
		d, err = 0, nil
	}
	if err != nil || d < 0 || d > most || d%time.Microsecond != 0 {
		w.fail(n, field, fmt.Sprintf("%q is no duration from 0s to %s; write it as 5s or 10m", n.Value, most))
		return 0
	}
	return d
}

// parseDuration parses a Go duration or whole days, as 7d.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func (w *walk) number(n *yaml.Node, field string, least, most int) int {
	v, err := strconv.Atoi(n.Value)
	if err != nil || v < least || v > most {
		w.fail(n, field, fmt.Sprintf("%q is no whole number from %d to %d", n.Value, least, most))
		return least
	}
	return v
}

// share reads a share of one, exactly, in parts per million.
func (w *walk) share(n *yaml.Node, field string) int64 {
	ppm, ok := parseShare(n.Value)
	if !ok {
		w.fail(n, field, fmt.Sprintf("%q is no share from 0%% to 100%% in steps of 0.0001%%; write it as 5%% or 0.05", n.Value))
	}
	return ppm
}

func parseShare(s string) (ppm int64, ok bool) {
	unit := big.NewRat(Million, 1)
	if digits, percent := strings.CutSuffix(s, "%"); percent {
		s, unit = strings.TrimSpace(digits), big.NewRat(Million/100, 1)
	}
	if len(s) > 20 || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false
	}
	if r.Mul(r, unit); !r.IsInt() || r.Cmp(big.NewRat(Million, 1)) > 0 {
		return 0, false
	}
	return r.Num().Int64(), true
}

func (w *walk) eventType(n *yaml.Node, field string) schemas.EventType {
	t, ok := schemas.ParseEventType(n.Value)
	if n.Kind != yaml.ScalarNode || !ok || t == schemas.EventTypeUnknown {
		names := eventTypes()
		w.fail(n, field, fmt.Sprintf("%q is no type of event; %swant one of %s", n.Value, suggestion(n.Value, names), strings.Join(names, ", ")))
	}
	return t
}

// eventTypeList reads a type or a list of types, without repetition and in the
// order of the types.
func (w *walk) eventTypeList(n *yaml.Node, field string) (types []schemas.EventType) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	if len(nodes) == 0 {
		w.fail(n, field, "is empty; name a type of event, as bounced")
	}
	for _, item := range nodes {
		types = append(types, w.eventType(resolve(item), field))
	}
	slices.Sort(types)
	return slices.Compact(types)
}

func eventTypes() []string {
	var names []string
	for t := schemas.EventTypeUnknown + 1; t <= schemas.EventTypeUnsuppressed; t++ {
		names = append(names, t.String())
	}
	slices.Sort(names)
	return names
}
