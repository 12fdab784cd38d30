package analytics

import (
	"reflect"
	"testing"
)

func TestRecoverPlan(t *testing.T) {
	at := func(from, to, seq int64) mark { return mark{from, note{lanes: 1, seq: seq, to: to, topicID: "x"}} }
	for name, tc := range map[string]struct {
		marks map[int32]mark
		want  plan
	}{
		"never read": {map[int32]mark{0: at(3, 3, 0), 1: at(0, 0, 0)}, plan{start: map[int32]int64{0: 3, 1: 0}}},
		"pending":    {map[int32]mark{0: at(3, 9, 4), 1: at(5, 5, 4)}, plan{4, vector{0: {3, 9}, 1: {5, 5}}, map[int32]int64{0: 3, 1: 5}}},
		"done":       {map[int32]mark{0: at(9, 9, 5), 1: at(5, 5, 5)}, plan{5, nil, map[int32]int64{0: 9, 1: 5}}},
		// Only a part of record 5 was kept, so that its batch was never inserted.
		"torn":       {map[int32]mark{0: at(9, 12, 5), 1: at(5, 7, 4)}, plan{5, nil, map[int32]int64{0: 9, 1: 7}}},
		"torn first": {map[int32]mark{0: at(0, 12, 1), 1: at(0, 0, 0)}, plan{1, nil, map[int32]int64{0: 0, 1: 0}}},
	} {
		if got := recoverPlan(tc.marks); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestToken(t *testing.T) {
	v := vector{0: {1, 5}, 7: {2, 2}}
	seen := map[string]bool{v.token("events", "t", 0): true}
	for _, other := range []string{
		vector{0: {1, 6}, 7: {2, 2}}.token("events", "t", 0), vector{0: {1, 5}, 7: {3, 3}}.token("events", "t", 0),
		vector{0: {1, 5}, 8: {2, 2}}.token("events", "t", 0), v.token("events", "t", 1), v.token("messages", "t", 0), v.token("events", "u", 0),
	} {
		if seen[other] {
			t.Errorf("token %s twice", other)
		}
		seen[other] = true
	}
	if v.token("events", "t", 0) != (vector{7: {2, 2}, 0: {1, 5}}).token("events", "t", 0) {
		t.Error("the order of partitions counts")
	}
}

func FuzzParseNote(f *testing.F) {
	f.Add(note{lanes: 2, seq: 77, to: 1 << 40, topicID: "q1w2=="}.String())
	f.Add("")
	f.Add("v1 lanes=1 seq=")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseNote(text)
		if err != nil {
			return
		}
		if again, err := parseNote(n.String()); err != nil || again != n {
			t.Errorf("%q: %+v, again %+v, %v", text, n, again, err)
		}
	})
}
