package schemas_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/posthorn/posthorn/schemas"
)

func TestID(t *testing.T) {
	id := schemas.ID(uuid.MustParse("0193a7f0-5c1e-7c3a-9b1d-2f6a0e4d8c77"))
	if got := id.String(); got != "0193a7f0-5c1e-7c3a-9b1d-2f6a0e4d8c77" {
		t.Errorf("String() = %s", got)
	}
	for _, text := range []string{id.String(), "0193A7F0-5C1E-7C3A-9B1D-2F6A0E4D8C77", "0193a7f05c1e7c3a9b1d2f6a0e4d8c77"} {
		if got, err := schemas.ParseID(text); err != nil || got != id {
			t.Errorf("ParseID(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0193a7f0", "0193a7f0-5c1e-7c3a-9b1d-2f6a0e4d8c7", "0193a7f0_5c1e_7c3a_9b1d_2f6a0e4d8c77",
		"g193a7f0-5c1e-7c3a-9b1d-2f6a0e4d8c77", "0193a7f0-5c1e-7c3a-9b1d-2f6a0e4d-c77", "0193a7f0-5c1e-7c3a-9b1d-2f6a0e4d8c77 "} {
		if got, err := schemas.ParseID(text); err == nil {
			t.Errorf("ParseID(%q) = %v, want an error", text, got)
		}
	}
	if id.IsZero() || !(schemas.ID{}).IsZero() {
		t.Error("IsZero")
	}
}

// The vectors are HMAC-SHA256 from RFC 4231 (test case 2, cut to 128 bits) and
// the rule that case and white space do not matter.
func TestRecipientID(t *testing.T) {
	if got := schemas.RecipientID([]byte("Jefe"), "what do ya want for nothing?").String(); got != "5bdcc146-bf60-754e-6a04-2426089575c7" {
		t.Errorf("RecipientID = %s", got)
	}
	secret := []byte("secret")
	want := schemas.RecipientID(secret, "someone@example.com")
	for _, address := range []string{" Someone@Example.COM\t", "SOMEONE@EXAMPLE.COM\n"} {
		if got := schemas.RecipientID(secret, address); got != want {
			t.Errorf("RecipientID(%q) = %s, want %s", address, got, want)
		}
	}
	if schemas.RecipientID([]byte("other"), "someone@example.com") == want {
		t.Error("the secret does not matter")
	}
}

func TestTimestamp(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 30, 0, 123456789, time.FixedZone("", 3600))
	ts := schemas.FromTime(at)
	if got, want := ts.String(), "2026-03-01T07:30:00.123456Z"; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
	if !ts.Time().Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("Time() = %v", ts.Time())
	}
	var zero schemas.Timestamp
	if !zero.IsZero() || !zero.Time().IsZero() || zero.String() != "" || schemas.FromTime(time.Time{}) != 0 {
		t.Error("zero is not null")
	}
	var back schemas.Timestamp
	if err := back.UnmarshalText([]byte(ts.String())); err != nil || back != ts {
		t.Errorf("UnmarshalText: %v, %v", back, err)
	}
	if err := back.UnmarshalText([]byte("yesterday")); err == nil {
		t.Error("UnmarshalText takes anything")
	}
}

func TestNullInt64(t *testing.T) {
	for text, want := range map[string]schemas.NullInt64{"null": {}, "0": schemas.Int64Of(0), "-7": schemas.Int64Of(-7)} {
		var n schemas.NullInt64
		if err := json.Unmarshal([]byte(text), &n); err != nil || n != want {
			t.Errorf("%s reads as %+v, %v", text, n, err)
		}
		if b, err := json.Marshal(want); err != nil || string(b) != text {
			t.Errorf("%+v writes as %s, %v", want, b, err)
		}
	}
}

func TestEnums(t *testing.T) {
	for symbol, want := range map[string]schemas.EventType{"unknown": schemas.EventTypeUnknown, "autoresponded": schemas.EventTypeAutoresponded} {
		got, ok := schemas.ParseEventType(symbol)
		if !ok || got != want || got.String() != symbol {
			t.Errorf("ParseEventType(%q) = %v, %v", symbol, got, ok)
		}
	}
	if _, ok := schemas.ParseMachine("robot"); ok {
		t.Error("ParseMachine takes anything")
	}
	if got := schemas.Machine(9).String(); got != "Machine(9)" {
		t.Errorf("String() = %s", got)
	}
}
