package stream

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Position is what a store records about its changelog.
type Position = position

// Fields of a position, for tests that falsify it.
func (p *position) SetTopicID(b byte)   { p.topicID[0] = b }
func (p *position) Move(n int64)        { p.next += n }
func (p *position) SetCRC(crc uint32)   { p.lastCRC = crc }
func (p *position) Age(d time.Duration) { p.committed = p.committed.Add(-d) }

// EditState changes the state of a stage that stopped: each position by edit,
// which returns false to make it unreadable, and each value to one that shows
// when it is used.
func EditState(dir string, edit func(*Position) bool) (err error) {
	d, err := openPebble(vfs.Default, dir, 1<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	b := d.db.NewBatch()
	it, err := d.db.NewIter(nil)
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		store, kind, value := it.Key()[4], it.Key()[5], it.Value()
		switch {
		case kind == kindPosition:
			p, e := decodePosition(value)
			err = errors.Join(err, e)
			if value = nil; edit(&p) {
				value = p.encode()
			}
		case store == 0:
			continue
		default:
			value = binary.BigEndian.AppendUint64(nil, 1<<40)
		}
		err = errors.Join(err, b.Set(it.Key(), value, nil))
	}
	return errors.Join(err, it.Close(), b.Commit(pebble.Sync))
}

// Ruin overwrites the middle of files in a state directory.
var Ruin = ruin
