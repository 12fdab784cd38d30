package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// engineStore is the store every stage has for itself: its timers.
const engineStore = "engine"

// database holds the committed state of a stage's tasks on this machine. It is
// behind the changelogs or level with them, never ahead: writes are applied
// only after the transaction that carries them was committed.
type database interface {
	// get returns the value, which must not be modified, or nil.
	get(partition int32, store uint8, key []byte) ([]byte, error)
	// scan calls f in key order for keys in [from, to); nil leaves an end open.
	// It shows the store as it was at the start.
	scan(partition int32, store uint8, from, to []byte, f func(key, value []byte) bool) error
	// apply takes the writes of b. Those of a store become durable together with
	// the store's position, sooner or later.
	apply(b *batch) error
	// position returns how far a store has been restored.
	position(partition int32, store uint8) (position, bool, error)
	// drop forgets one store of one partition.
	drop(partition int32, store uint8) error
	// sizeBytes estimates the space that a partition's stores take. It may be
	// called at any time, also after close.
	sizeBytes(partition int32) int64
	// health returns an error once damage was found.
	health() error
	// repair sets damaged state aside and goes on with an empty one. It is
	// called between sessions only.
	repair() error
	// settle makes durable what has waited long for it.
	settle(now time.Time) error
	close() error
}

// batch is a set of writes that belong together. A key occurs in it once.
type batch struct {
	writes    []write
	positions []storePosition
	restored  bool // comes from a changelog, not from a transaction
}

type write struct {
	partition int32
	store     uint8
	key       string
	value     []byte // nil deletes
}

type storePosition struct {
	partition int32
	store     uint8
	position  position
}

// position says which part of a changelog a store holds, with what is needed
// to notice that the changelog, or the store, is not the one it was.
type position struct {
	topicID    [16]byte
	next       int64 // next changelog offset to read
	lastOffset int64 // offset of the last record applied, -1 when none
	lastCRC    uint32
	committed  time.Time // when it was written, by the wall clock
}

// errPosition says that a position is not one: the store must be dropped.
var errPosition = errors.New("position of the store is malformed")

const positionSize = 16 + 8 + 8 + 4 + 8

func (p position) encode() []byte {
	b := make([]byte, 0, positionSize)
	b = append(b, p.topicID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.next))
	b = binary.BigEndian.AppendUint64(b, uint64(p.lastOffset))
	b = binary.BigEndian.AppendUint32(b, p.lastCRC)
	return binary.BigEndian.AppendUint64(b, uint64(p.committed.UnixMicro()))
}

func decodePosition(b []byte) (position, error) {
	var p position
	if len(b) != positionSize {
		return p, fmt.Errorf("%w: %d bytes, want %d", errPosition, len(b), positionSize)
	}
	copy(p.topicID[:], b)
	p.next = int64(binary.BigEndian.Uint64(b[16:]))
	p.lastOffset = int64(binary.BigEndian.Uint64(b[24:]))
	p.lastCRC = binary.BigEndian.Uint32(b[32:])
	p.committed = time.UnixMicro(int64(binary.BigEndian.Uint64(b[36:])))
	return p, nil
}

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// recordCRC identifies a changelog record by its content.
func recordCRC(key, value []byte) uint32 {
	return crc32.Update(crc32.Update(0, crcTable, key), crcTable, value)
}

// Keys of the engine's store: timers by key, as in the changelog, and an index
// of them by due time, which exists only in the database.
const (
	timerByKey = 't'
	timerByDue = 'd'
)

func timerKey[K string | []byte](key K) []byte { return append([]byte{timerByKey}, key...) }

func timerDueKey[K string | []byte](due int64, key K) []byte {
	b := make([]byte, 0, 9+len(key))
	b = append(b, timerByDue)
	b = binary.BigEndian.AppendUint64(b, uint64(due))
	return append(b, key...)
}

// expandTimers adds the changes of the due index that the changes of timers in
// the engine's store bring with them.
func expandTimers(db database, b *batch) error {
	n := len(b.writes)
	for i := 0; i < n; i++ {
		w := b.writes[i]
		if w.store != 0 || len(w.key) == 0 || w.key[0] != timerByKey {
			continue
		}
		key := w.key[1:]
		old, err := db.get(w.partition, 0, []byte(w.key))
		if err != nil {
			return err
		}
		if len(old) == 8 {
			b.writes = append(b.writes, write{w.partition, 0, string(timerDueKey(int64(binary.BigEndian.Uint64(old)), key)), nil})
		}
		if len(w.value) == 8 {
			b.writes = append(b.writes, write{w.partition, 0, string(timerDueKey(int64(binary.BigEndian.Uint64(w.value)), key)), []byte{}})
		}
	}
	return nil
}
