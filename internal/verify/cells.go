package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// cellKey tells the cells of breakdowns apart, as the sort key of their table
// does. Dimension and basis are text, since a table may hold any.
type cellKey struct {
	tenant, dimension, campaign, value, detail, basis string
	start                                             schemas.Timestamp // zero where there is none
}

// String describes the cell for a difference.
func (k cellKey) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s", k.dimension, k.tenant)
	if k.campaign != "" {
		fmt.Fprintf(&b, ", campaign %s", k.campaign)
	}
	fmt.Fprintf(&b, ", value %q", k.value)
	if k.detail != "" {
		fmt.Fprintf(&b, ", detail %q", k.detail)
	}
	fmt.Fprintf(&b, ", %s", k.basis)
	switch {
	case k.start == 0:
	case ofWindows(k.dimension):
		fmt.Fprintf(&b, " window %s", k.start)
	default:
		fmt.Fprintf(&b, " day %s", k.start.Time().Format("2006-01-02"))
	}
	return b.String()
}

// ofWindows tells whether a dimension is counted by windows of five minutes, as
// campaigns are, and not by days.
func ofWindows(dimension string) bool {
	switch dimension {
	case "tenant", "account", "source", "list":
		return true
	}
	return false
}

// append appends the key, in a form that no other key has.
func (k cellKey) append(b []byte) []byte {
	for _, s := range [...]string{k.tenant, k.dimension, k.campaign, k.value, k.detail, k.basis} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return binary.AppendVarint(b, int64(k.start))
}

var errShort = errors.New("a spilled cell is cut short")

// decodeCell reads what put wrote.
func decodeCell(b []byte) (k cellKey, c schemas.Counters, err error) {
	for _, s := range [...]*string{&k.tenant, &k.dimension, &k.campaign, &k.value, &k.detail, &k.basis} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return k, c, errShort
		}
		*s, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	numbers := []*int64{(*int64)(&k.start)}
	for _, n := range append(numbers, counterValues(&c)...) {
		value, size := binary.Varint(b)
		if size <= 0 {
			return k, c, errShort
		}
		*n, b = value, b[size:]
	}
	return k, c, nil
}

// putCell spills counts of one cell.
func (v *verifier) putCell(kind kind, k cellKey, c *schemas.Counters) error {
	key := k.append(nil)
	value := key[:len(key):len(key)]
	for _, n := range counterValues(c) {
		value = binary.AppendVarint(value, *n)
	}
	return v.cells.put(key, kind, value)
}

// cellSums are sums of cells.
type cellSums map[cellKey]*schemas.Counters

func (s cellSums) of(k cellKey) *schemas.Counters {
	c := s[k]
	if c == nil {
		c = new(schemas.Counters)
		s[k] = c
	}
	return c
}

// maxSums is how many sums of cells are held before they are spilled.
const maxSums = 50_000

// keepCells spills sums and forgets them.
func (v *verifier) keepCells(sums cellSums) error {
	for k, c := range sums {
		if err := v.putCell(kindWantedCell, k, c); err != nil {
			return err
		}
	}
	clear(sums)
	return nil
}
