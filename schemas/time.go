package schemas

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Timestamp is a point in time in microseconds since 1970 UTC. In a field that
// may be null, zero is null.
type Timestamp int64

// FromTime returns t cut to microseconds; the zero time gives zero.
func FromTime(t time.Time) Timestamp {
	if t.IsZero() {
		return 0
	}
	return Timestamp(t.UnixMicro())
}

// Time returns the time in UTC; zero gives the zero time.
func (t Timestamp) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// IsZero tells whether the timestamp is not set.
func (t Timestamp) IsZero() bool { return t == 0 }

const timestampLayout = "2006-01-02T15:04:05.000000Z07:00"

// String returns RFC 3339 with microseconds, or an empty string for zero.
func (t Timestamp) String() string {
	if t == 0 {
		return ""
	}
	return t.Time().Format(timestampLayout)
}

// MarshalText returns String.
func (t Timestamp) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText parses RFC 3339; an empty text is zero.
func (t *Timestamp) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*t = 0
		return nil
	}
	p, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return fmt.Errorf("parsing timestamp: %w", err)
	}
	*t = FromTime(p)
	return nil
}

// NullInt64 is a number that may be null, where zero is a value.
type NullInt64 struct {
	Int64 int64
	Valid bool
}

// Int64Of returns a NullInt64 that is not null.
func Int64Of(v int64) NullInt64 { return NullInt64{Int64: v, Valid: true} }

// IsZero tells whether it is null.
func (n NullInt64) IsZero() bool { return !n.Valid }

// MarshalJSON returns the number or null.
func (n NullInt64) MarshalJSON() ([]byte, error) {
	if !n.Valid {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, n.Int64, 10), nil
}

// UnmarshalJSON parses a number or null.
func (n *NullInt64) UnmarshalJSON(b []byte) error {
	*n = NullInt64{}
	if string(b) == "null" {
		return nil
	}
	if err := json.Unmarshal(b, &n.Int64); err != nil {
		return err
	}
	n.Valid = true
	return nil
}
