package campaign

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

func drawWatch(t *rapid.T) watch {
	every := schemas.Timestamp(rapid.Int64Range(1, 1000).Draw(t, "every"))
	times := func(label string) schemas.Timestamp {
		return schemas.Timestamp(rapid.Int64Range(0, 1<<50).Draw(t, label))
	}
	w := watch{
		tenant: "default", campaign: "spring", every: every, duration: every * schemas.Timestamp(rapid.Int64Range(1, 20).Draw(t, "steps")),
		decided: floor(times("decided"), every), due: times("due"), firedIn: times("in"),
		raised: rapid.Bool().Draw(t, "raised"), waiting: rapid.Bool().Draw(t, "waiting"), fired: rapid.Bool().Draw(t, "fired"),
	}
	at := w.decided
	for range rapid.IntRange(0, 5).Draw(t, "decided steps") {
		at -= every * schemas.Timestamp(rapid.Int64Range(1, 5).Draw(t, "gap"))
	}
	for range rapid.IntRange(0, 8).Draw(t, "kept") {
		w.steps = append(w.steps, step{at: at, hits: rapid.Int64().Draw(t, "hits"), base: rapid.Int64().Draw(t, "base")})
		at += every * schemas.Timestamp(rapid.Int64Range(1, 5).Draw(t, "gap"))
	}
	return w
}

func TestWatchIsWrittenAndRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWatch(rt)
		var rest []byte
		if n := w.split(); n > 0 {
			rest = w.appendSteps(nil, w.steps[:n])
		}
		got := watch{tenant: w.tenant, campaign: w.campaign}
		if err := got.decode(w.appendHead(nil), rest); err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(got, w) {
			rt.Fatalf("got  %+v\nwant %+v", got, w)
		}
	})
}

func TestWatchKeys(t *testing.T) {
	for _, want := range [][3]string{{"r", "default", "spring"}, {"a.b-c_D", "", ""}, {"r", "a\x00b", "\x00\x01/"}} {
		rule, tenant, campaign, err := splitWatchKey(appendWatchKey(nil, want[0], want[1], want[2]))
		if got := [3]string{rule, tenant, campaign}; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	for _, key := range []string{"", "r", "\x00", "r\x00", "r\x00\x09short"} {
		if _, _, _, err := splitWatchKey([]byte(key)); err == nil {
			t.Errorf("key %q is read", key)
		}
	}
}

// Damaged state is an error, never a panic and never much memory.
func FuzzWatchDecode(f *testing.F) {
	w := watch{every: 60, duration: 600, decided: 1200, steps: []step{{at: 600, base: 1}, {at: 1200, hits: 2, base: 3}}}
	f.Add(w.appendHead(nil), w.appendSteps(nil, w.steps[:1]))
	f.Add([]byte{watchVersion, 0, 2, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f}, []byte{})
	f.Add([]byte{9}, []byte{1})
	f.Fuzz(func(t *testing.T, head, rest []byte) {
		var w watch
		if err := w.decode(head, rest); err != nil {
			return
		}
		if len(w.steps) > len(head)+len(rest) || w.every <= 0 {
			t.Errorf("read %+v", w)
		}
	})
}
