package controls

import (
	"cmp"
	"maps"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// maxRetries bounds what a follower keeps of calls to be made again: about 30 MB.
const maxRetries = 100_000

// Snapshot is what has been asked so far. It does not change.
type Snapshot struct {
	// Version grows with every change, within one process.
	Version   uint64
	Rules     map[string]Rule
	Endpoints map[string]Endpoint
	// Retries are the calls to be made again, by the partition of their triggers,
	// in the order in which these lie there.
	Retries map[int32][]Retry
}

// Paused tells whether calls of a rule must not be made now. A nil snapshot asks
// for nothing.
func (s *Snapshot) Paused(rule string) bool { return s != nil && s.Rules[rule].Paused }

// state is what a follower changes.
type state struct {
	version   uint64
	rules     map[string]Rule
	endpoints map[string]Endpoint
	retries   map[schemas.ID]Retry
}

func newState() *state {
	return &state{rules: map[string]Rule{}, endpoints: map[string]Endpoint{}, retries: map[schemas.ID]Retry{}}
}

func (s *state) snapshot() *Snapshot {
	s.version++
	out := &Snapshot{Version: s.version, Rules: maps.Clone(s.rules), Endpoints: maps.Clone(s.endpoints), Retries: map[int32][]Retry{}}
	for _, r := range s.retries {
		out.Retries[r.Partition] = append(out.Retries[r.Partition], r)
	}
	for _, list := range out.Retries {
		slices.SortFunc(list, func(a, b Retry) int {
			return cmp.Or(cmp.Compare(a.Offset, b.Offset), a.At.Compare(b.At), slices.Compare(a.ID[:], b.ID[:]))
		})
	}
	return out
}
