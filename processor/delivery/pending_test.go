package delivery

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// What is stored is read back, and no part of it is read as the whole.
func TestPendingRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(-1<<60, 1<<60)
		want := pending{
			attempts: rapid.Int32Range(0, maxAttempts).Draw(t, "attempts"), before: rapid.Int32Range(0, maxAttempts).Draw(t, "before"),
			asked: schemas.Timestamp(micros.Draw(t, "asked")), due: time.UnixMicro(micros.Draw(t, "due")), since: time.UnixMicro(micros.Draw(t, "since")),
			endpoint: rapid.String().Draw(t, "endpoint"), rule: rapid.String().Draw(t, "rule"), trigger: rapid.SliceOf(rapid.Byte()).Draw(t, "trigger"),
		}
		b := want.append(nil)
		got, err := parsePending(b)
		if err != nil || !bytes.Equal(got.trigger, want.trigger) {
			t.Fatalf("%+v, %v", got, err)
		}
		head := len(b) - len(want.trigger)
		got.trigger, want.trigger = nil, nil
		if got.attempts != want.attempts || got.before != want.before || got.asked != want.asked || !got.due.Equal(want.due) ||
			!got.since.Equal(want.since) || got.endpoint != want.endpoint || got.rule != want.rule {
			t.Fatalf("%+v, want %+v", got, want)
		}
		cut := rapid.IntRange(0, head-1).Draw(t, "cut")
		if p, err := parsePending(b[:cut]); err == nil {
			t.Fatalf("%d of %d bytes are read as %+v", cut, head, p)
		}
	})
}

// Calls that an earlier version left pending are made.
func TestPendingOfVersion1(t *testing.T) {
	b := append([]byte{1}, binary.AppendVarint(binary.AppendUvarint(nil, 3), 1_700_000_000_000_000)...)
	p, err := parsePending(append(b, "trigger"...))
	if err != nil || p.attempts != 3 || p.due.Unix() != 1_700_000_000 || string(p.trigger) != "trigger" || p.endpoint+p.rule != "" || p.asked != 0 || p.before != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzPending(f *testing.F) {
	f.Add((&pending{attempts: 1, endpoint: "shop", rule: "r", trigger: []byte("t")}).append(nil))
	f.Add([]byte{1, 3, 4, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parsePending(b); err == nil && len(p.endpoint)+len(p.rule)+len(p.trigger) > len(b) {
			t.Errorf("%+v of %d bytes", p, len(b))
		}
	})
}
