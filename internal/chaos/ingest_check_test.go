//go:build linux

package main

import (
	"crypto/sha256"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// The check must find what it is there for.
func TestTopicAgainstLedger(t *testing.T) {
	id := func(n byte) schemas.ID { return schemas.ID{n} }
	sum := func(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }
	base := func() (map[schemas.ID]stored, *ledger) {
		return map[schemas.ID]stored{id(1): {"a", sum("one")}, id(2): {uploadSource, sum("packed")}, id(3): {"a", sum("two")}},
			&ledger{
				bodies:   map[[sha256.Size]byte]bool{sum("one"): true, sum("two"): true},
				acked:    map[schemas.ID]*ack{id(1): {source: "a", sum: sum("one")}, id(2): {source: uploadSource, packed: true}},
				repeated: map[*ack]bool{{source: "a", sum: sum("two")}: true},
			}
	}
	for name, tt := range map[string]struct {
		change                  func(hooks map[schemas.ID]stored, l *ledger)
		lost, wrong, unanswered int64
	}{
		"all there":               {func(map[schemas.ID]stored, *ledger) {}, 0, 0, 1},
		"a webhook is gone":       {func(h map[schemas.ID]stored, _ *ledger) { delete(h, id(1)) }, 1, 0, 1},
		"an upload is gone":       {func(h map[schemas.ID]stored, _ *ledger) { delete(h, id(2)) }, 1, 0, 1},
		"what was stored is gone": {func(h map[schemas.ID]stored, _ *ledger) { delete(h, id(3)) }, 1, 0, 0},
		"another body":            {func(h map[schemas.ID]stored, _ *ledger) { h[id(1)] = stored{"a", sum("two")} }, 0, 1, 1},
		"another source":          {func(h map[schemas.ID]stored, _ *ledger) { h[id(1)] = stored{"b", sum("one")} }, 0, 1, 1},
		"nobody's body":           {func(h map[schemas.ID]stored, _ *ledger) { h[id(4)] = stored{"a", sum("x")} }, 0, 1, 2},
		"an answer that says nothing": {func(_ map[schemas.ID]stored, l *ledger) {
			l.strange = append(l.strange, "answered 200 with nothing")
		}, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			hooks, l := base()
			tt.change(hooks, l)
			var c topicCheck
			c.compare(hooks, l)
			if c.lost != tt.lost || c.wrong != tt.wrong || c.unanswered != tt.unanswered {
				t.Errorf("lost %d, wrong %d, unanswered %d; want %d, %d, %d: %q", c.lost, c.wrong, c.unanswered, tt.lost, tt.wrong, tt.unanswered, c.details)
			}
		})
	}
}
