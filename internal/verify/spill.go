package verify

import disk "github.com/posthorn/posthorn/internal/spill"

// kind tells what a spilled record is.
type kind byte

const (
	kindExpectedEvent kind = iota + 1
	kindOtherEvent         // of a webhook after the cut, or no longer retained
	kindFoundEvent
	kindMessage
	kindTrigger
	kindExpectedRejection
	kindRejection
	kindContribution
	kindStatistics
	kindTouched // a campaign changed by what came after the cut
	kindLater   // a campaign that an event from outside of the cut names
	kindSteps   // what campaigns' rules count
	kindSuppression
	kindWantedCell // of breakdowns, and so on
	kindFoundCell
	kindCellRow
	kindWantedRecipient
	kindLimits // of a recipient's times
	kindFoundRecipient
	kindRecipientRow
	kindTouchedRecipient
)

// spill keeps records on disk, partitioned by a hash of their key, so that one
// bucket at a time fits into memory.
type spill struct{ files *disk.Files }

func newSpill(dir, name string, buckets int) (*spill, error) {
	files, err := disk.Create(dir, name, buckets)
	if err != nil {
		return nil, err
	}
	return &spill{files}, nil
}

func (s *spill) close() { s.files.Close() }

// put keeps a record under a key.
func (s *spill) put(key []byte, k kind, value []byte) error { return s.files.Put(key, byte(k), value) }

// each reads a bucket back in the order it was written. The value belongs to f.
func (s *spill) each(i int, f func(k kind, value []byte) error) error {
	return s.files.Each(i, func(k byte, value []byte) error { return f(kind(k), value) })
}
