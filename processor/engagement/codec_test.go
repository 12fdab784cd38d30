package engagement

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

func sampleMessage() *message {
	m := &message{}
	st := &story{}
	for _, e := range []schemas.Event{
		st.event(delivered, 0),
		st.event(opened, 5, func(e *schemas.Event) { e.Country, e.TimeSuspect, e.ContactID = "FR", true, "k1" }),
		st.event(bounced, 9, bounce("hard"), arrives(20), noCampaign),
		st.event(clicked, 7, func(e *schemas.Event) {
			e.URL, e.ListID, e.Tags, e.Metadata = "https://shop.example/", "7", []string{"vip"}, map[string]string{"a": "1", "b": "2"}
			e.CampaignID = "autumn"
		}),
	} {
		m.state.add(&e, factsOf(&e))
	}
	m.state.see(at(time.Hour))
	m.state.setFired("discount", occurrence{once: true}, markExpired)
	m.state.folded = folded{events: 3, lastEventAt: base, lastArrivedAt: base + 1, timeSuspect: true,
		windows: []foldedWindow{{start: base, arrived: base + 3*windowLength, opens: 3, humanOpens: 2, other: 1}}}
	e := st.event(opened, -time.Hour)
	m.earlier = []*state{{}}
	m.earlier[0].add(&e, factsOf(&e))
	return m
}

func TestStateRoundTrip(t *testing.T) {
	want := sampleMessage()
	want.timer = at(48 * time.Hour)
	week := schemas.Timestamp((7 * 24 * time.Hour).Microseconds())
	for i, m := range []mark{markFired, markExpired, markFired} {
		want.state.setFired("weekly", occurrence{start: base/week*week + week*schemas.Timestamp(1-i)}, m)
	}
	var got message
	b := want.append(nil)
	if err := got.decode(b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if last, err := lastArrival(b); err != nil || last != at(time.Hour) {
		t.Errorf("last arrival at %s, %v", last, err)
	}
	// A state of other messages leaves nothing behind in reused memory.
	if err := got.decode(new(message).append(nil)); err != nil || len(got.state.facts)+len(got.state.events)+len(got.state.fired)+len(got.earlier) != 0 {
		t.Errorf("empty state: %+v, %v", got, err)
	}
}

func TestStateCutOff(t *testing.T) {
	b := sampleMessage().append(nil)
	for i := range b {
		if err := new(message).decode(b[:i]); err == nil {
			t.Errorf("no error at %d of %d bytes", i, len(b))
		}
	}
	if err := new(message).decode(append(b, 0)); err == nil {
		t.Error("no error with a byte left over")
	}
}

func FuzzState(f *testing.F) {
	f.Add(sampleMessage().append(nil))
	f.Add(new(message).append(nil))
	f.Add(stateOfVersion1(f))
	if b, err := hex.DecodeString(version3); err == nil {
		f.Add(append([]byte{stateVersion3}, b...))
	}
	if b, err := hex.DecodeString(version4); err == nil {
		f.Add(append([]byte{stateVersion4}, b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again message
		_, _ = lastArrival(b)
		if m.decode(b) != nil {
			return
		}
		if err := again.decode(m.append(nil)); err != nil {
			t.Errorf("decoding what was encoded: %v", err)
		}
	})
}

// stateOfVersion1 was written by version 1 of the codec: one delivery and one
// open a minute later of the message of a story, and two folded opens.
func stateOfVersion1(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(version1)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const version1 = "010280c0f8daa6fda506010000000000000000000000000000003a0e6d61696c6a65741e616461406578616d706c652e6f7267" +
	"166578616d706c652e6f72670c737072696e670401000000000000000000000000000000030080c0f8daa6fda506000002000000" +
	"0000000000000000000000000800809c9c3900000480d89297abfda50680d095c4c1fda506000280d89297abfda506040200000000000000"

func TestStateOfVersion1(t *testing.T) {
	var m message
	b := stateOfVersion1(t)
	if err := m.decode(b); err != nil {
		t.Fatal(err)
	}
	s := &m.state
	if len(s.events) != 2 || s.events[1].OccurredAt != at(time.Minute) || s.events[1].CampaignID != "spring" ||
		s.first != at(0) || s.last != at(time.Hour) || s.folded.windows[0].arrived != s.folded.windows[0].start {
		t.Errorf("%+v", s)
	}
	if last, err := lastArrival(b); err != nil || last != s.last {
		t.Errorf("last arrival at %s, %v", last, err)
	}
}

// version3 was written by version 3 of the codec, of sampleMessage, without the
// version itself: version 2 has the same bytes.
const version3 = "" +
	"80d095c4c1fda50680909de91a06ff8f9de91a010000000000000000000000000000003a0e6d61696c6a65741e616461406578616d706c" +
	"652e6f7267166578616d706c652e6f72670c737072696e67ff8f9de91a020000000000000000000000000000008002046b31ff8f9de91a" +
	"04000000000000000000000000000000800c0206766970000402610231026202320008010000000000000000000000000000000300ff8f" +
	"9de91a00400200000000000000000000000000000008000000450446520300000000000000000000000000000005000000300868617264" +
	"0e626f756e63656404000000000000000000000000000000090000008a2a68747470733a2f2f73686f702e6578616d706c652f02370c61" +
	"7574756d6e0680c0f8daa6fda50682c0f8daa6fda506010280c0f8daa6fda5060606040000000000020210646973636f756e74010280b0" +
	"dbf18bfda506000200050000000000000000000000000000003a0e6d61696c6a65741e616461406578616d706c652e6f7267166578616d" +
	"706c652e6f72670c737072696e67020500000000000000000000000000000008000000400000"

func TestStateOfVersion3(t *testing.T) {
	for version, trusting := range map[byte]bool{stateVersion2: true, stateVersion3: false} {
		rest, err := hex.DecodeString(version3)
		if err != nil {
			t.Fatal(err)
		}
		b := append([]byte{version}, rest...)
		var got message
		if err := got.decode(b); err != nil {
			t.Fatal(err)
		}
		want := sampleMessage()
		want.state.trusting, want.earlier[0].trusting = trusting, trusting
		want.state.uncounted, want.earlier[0].uncounted = true, true
		if !reflect.DeepEqual(&got, want) {
			t.Errorf("version %d\ngot  %+v\nwant %+v", version, got, want)
		}
		// Until it changes, what was contributed without suspicion is known as such.
		if again := got.append(nil); trusting && !bytes.Equal(again, b) || !trusting && again[0] != stateVersion4 {
			t.Errorf("version %d is written as %x", version, again)
		}
	}
}

// version4 was written by version 4 of the codec, of sampleMessage with a timer.
const version4 = "" +
	"80d095c4c1fda50680909de91a06ff8f9de91a010000000000000000000000000000003a0e6d61696c6a65741e61646140657861" +
	"6d706c652e6f7267166578616d706c652e6f72670c737072696e67ff8f9de91a020000000000000000000000000000008002046b" +
	"31ff8f9de91a04000000000000000000000000000000800c02067669700004026102310262023200080100000000000000000000" +
	"00000000000300ff8f9de91a00400200000000000000000000000000000008000000450446520300000000000000000000000000" +
	"0000050000003008686172640e626f756e63656404000000000000000000000000000000090000008a2a68747470733a2f2f7368" +
	"6f702e6578616d706c652f02370c617574756d6e0680c0f8daa6fda50682c0f8daa6fda506010280c0f8daa6fda5060606040000" +
	"000000020210646973636f756e7401000280b0dbf18bfda506000200050000000000000000000000000000003a0e6d61696c6a65" +
	"741e616461406578616d706c652e6f7267166578616d706c652e6f72670c737072696e6702050000000000000000000000000000" +
	"000800000040000082f0d8d1ec09"

func TestStateOfVersion4(t *testing.T) {
	rest, err := hex.DecodeString(version4)
	if err != nil {
		t.Fatal(err)
	}
	b := append([]byte{stateVersion4}, rest...)
	var got message
	if err := got.decode(b); err != nil {
		t.Fatal(err)
	}
	want := sampleMessage()
	want.timer = at(48 * time.Hour)
	want.state.uncounted, want.earlier[0].uncounted = true, true
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// Until it changes, what contributed to campaigns alone is known as such.
	if again := got.append(nil); !bytes.Equal(again, b) {
		t.Errorf("written again as %x", again)
	}
	(&task{}).touch(&got)
	if again := got.append(nil); again[0] != stateVersion {
		t.Errorf("changed, it is written as version %d", again[0])
	}
}

// A text that comes again costs a byte.
func TestTextsOfEvents(t *testing.T) {
	st := &story{}
	var m message
	size := 0
	for i := range 40 {
		e := st.event(clicked, time.Duration(i)*time.Minute, acted, func(e *schemas.Event) { e.URL += strconv.Itoa(i / 35) })
		m.state.add(&e, factsOf(&e))
		b := m.append(nil)
		if grown := len(b) - size; i > 1 && i != 35 && grown > 36 {
			t.Errorf("event %d takes %d bytes", i, grown)
		}
		size = len(b)
		var got message
		if err := got.decode(b); err != nil || !reflect.DeepEqual(got.state.events, m.state.events) {
			t.Fatalf("%d events: %+v, %v", i+1, got.state.events, err)
		}
	}
}

// More texts than are remembered are all there.
func TestManyTexts(t *testing.T) {
	st := &story{}
	var m, got message
	for i := range 100 {
		e := st.event(clicked, time.Duration(i)*time.Minute, acted, func(e *schemas.Event) { e.URL += strconv.Itoa(i) })
		m.state.add(&e, factsOf(&e))
	}
	if err := got.decode(m.append(nil)); err != nil || !reflect.DeepEqual(got.state.events, m.state.events) {
		t.Errorf("%+v, %v", got.state.events, err)
	}
}

// acted has an event tell what breakdowns count.
func acted(e *schemas.Event) {
	e.Source, e.Country, e.DeviceType, e.ClientName, e.ClientOS = "main", "FR", "mobile", "Chrome", "Android"
	e.URL, e.LinkIndex, e.ListID = "https://shop.example/sale?id=", 3, "7"
}

// What had fired before there were occurrences has fired once for ever.
func TestFiredOfVersion3(t *testing.T) {
	rest, _ := hex.DecodeString(version3)
	var m message
	if err := m.decode(append([]byte{stateVersion3}, rest...)); err != nil {
		t.Fatal(err)
	}
	if got := m.state.hasFired("discount", occurrence{once: true}); got != markExpired {
		t.Errorf("once: %d", got)
	}
	if got := m.state.hasFired("discount", occurrence{start: base}); got != markNone {
		t.Errorf("in a stretch: %d", got)
	}
}

func TestBounds(t *testing.T) {
	if got := boundText(strings.Repeat("ä", 600) + "x"); got != strings.Repeat("ä", 512) {
		t.Errorf("%d bytes", len(got))
	}
	if got := boundText("x" + strings.Repeat("ä", 600)); len(got) != 1023 {
		t.Errorf("%d bytes, want no half character", len(got))
	}
	if got := boundTags([]string{strings.Repeat("x", 4000), "y", strings.Repeat("z", 100)}); len(got) != 2 {
		t.Errorf("%d tags", len(got))
	}
	got := boundMetadata(map[string]string{"a": strings.Repeat("x", 3000), "b": strings.Repeat("x", 3000), "c": ""})
	if len(got) != 1 || got["a"] == "" {
		t.Errorf("%d entries", len(got))
	}
}

func TestWindowStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := schemas.Timestamp(rapid.Int64Range(-1e15, 1e15).Draw(t, "at"))
		if s := windowStart(at); s > at || at-s >= 300_000_000 || s%300_000_000 != 0 {
			t.Fatalf("window of %d starts at %d", at, s)
		}
	})
}
