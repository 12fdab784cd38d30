package window

import (
	"encoding/binary"
	"fmt"
)

// Count counts events.
func Count[E any]() Aggregate[E, int64] {
	return Sum(func(E) int64 { return 1 })
}

// Sum sums a number of each event.
func Sum[E any](number func(E) int64) Aggregate[E, int64] {
	return Aggregate[E, int64]{
		Add:    func(acc *int64, e E) { *acc += number(e) },
		Merge:  func(acc, other *int64) { *acc += *other },
		Append: func(dst []byte, acc *int64) []byte { return binary.AppendVarint(dst, *acc) },
		Decode: func(b []byte, acc *int64) error {
			n, size := binary.Varint(b)
			if size <= 0 || size != len(b) {
				return fmt.Errorf("decoding sum: malformed")
			}
			*acc = n
			return nil
		},
	}
}
