package clickhouse

import (
	"maps"
	"strconv"
	"time"
)

// maxAnalystText bounds an analyst's SQL in bytes: the engine's own default of
// max_query_size.
const maxAnalystText = 256 << 10

// analysts is what sets the read-only endpoint apart.
type analysts struct {
	guard   *guard
	limits  map[string]string
	timeout time.Duration
}

// newAnalysts sets limits so that one query can't starve the writers: a
// quarter of the memory, a minute, results that fit a screen or a spreadsheet.
func newAnalysts(g *guard, memory int64) *analysts {
	const timeout = time.Minute
	return &analysts{guard: g, timeout: timeout, limits: map[string]string{
		"max_execution_time":   strconv.Itoa(int(timeout.Seconds())),
		"max_memory_usage":     strconv.FormatInt(memory/4, 10),
		"max_result_rows":      "1000000",
		"max_result_bytes":     strconv.Itoa(maxDocument),
		"result_overflow_mode": "throw",
		"readonly":             "1",
	}}
}

// limit gives the settings of a request. Of its own it may only lower the time.
func (a *analysts) limit(asked map[string]string) (map[string]string, error) {
	settings := maps.Clone(a.limits)
	for name, value := range asked {
		switch {
		case name == "readonly" && (value == "1" || value == "2"):
			continue
		case name == "max_execution_time":
			seconds, err := strconv.ParseFloat(value, 64)
			if err == nil && seconds > 0 && seconds <= a.timeout.Seconds() {
				settings[name] = value
			}
			continue // longer means: as long as there is
		}
		return nil, exceptionf(codeReadonly, "READONLY", "Cannot modify '%s' setting in readonly mode", name)
	}
	return settings, nil
}
