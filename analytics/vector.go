package analytics

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// span is a range of offsets of one partition: from is in it, to is not.
type span struct{ from, to int64 }

// vector is a batch: what it takes of every partition of a lane. Offsets of
// control records and of aborted ones count.
type vector map[int32]span

// empty tells whether the batch holds nothing: its record then only says that
// everything before it is done.
func (v vector) empty() bool {
	for _, s := range v {
		if s.from != s.to {
			return false
		}
	}
	return true
}

// token names the batch to ClickHouse, which drops a second insert under it. A
// topic that was made anew has the same offsets for other records, so that its
// id counts.
func (v vector) token(table, topicID string, lane int) string {
	hash := sha256.New()
	hash.Write([]byte(topicID))
	var buf [20]byte
	for _, p := range slices.Sorted(maps.Keys(v)) {
		binary.BigEndian.PutUint32(buf[:], uint32(p))
		binary.BigEndian.PutUint64(buf[4:], uint64(v[p].from))
		binary.BigEndian.PutUint64(buf[12:], uint64(v[p].to))
		hash.Write(buf[:])
	}
	return fmt.Sprintf("%s-%d-%s", table, lane, hex.EncodeToString(hash.Sum(nil)[:16]))
}

// note is what the metadata of an offset commit says beside the offset, which
// is from.
type note struct {
	lanes   int    // number of lanes of the topic
	seq     int64  // grows with every record; one for all partitions of a lane
	to      int64  // end of the range
	topicID string // the topic's id: one that was made anew has another
}

const noteFormat = "v1 lanes=%d seq=%d to=%d topic=%s"

func (n note) String() string {
	return fmt.Sprintf(noteFormat, n.lanes, n.seq, n.to, n.topicID)
}

func parseNote(text string) (note, error) {
	var n note
	if _, err := fmt.Sscanf(text, noteFormat, &n.lanes, &n.seq, &n.to, &n.topicID); err != nil || strings.TrimSpace(n.topicID) == "" {
		return note{}, fmt.Errorf("the committed metadata %q was not written by this sink", text)
	}
	return n, nil
}

// mark is one partition's part of a record.
type mark struct {
	from int64
	note note
}

// plan is what a new owner of a lane does first.
type plan struct {
	seq     int64  // of the last record, 0 for none
	pending vector // recorded, perhaps not inserted; nil for none
	start   map[int32]int64
}

// recoverPlan reads the records of a lane's partitions. All of them are written in
// one request. Where a broker nevertheless kept only a part of them, the batch
// was never inserted, since the record had not been confirmed: partitions with
// the newer record begin there, the others end where their older one ends.
func recoverPlan(marks map[int32]mark) plan {
	var p plan
	for _, m := range marks {
		p.seq = max(p.seq, m.note.seq)
	}
	same := true
	for _, m := range marks {
		same = same && m.note.seq == p.seq
	}
	p.start = make(map[int32]int64, len(marks))
	if !same {
		for partition, m := range marks {
			p.start[partition] = m.from
			if m.note.seq < p.seq {
				p.start[partition] = m.note.to
			}
		}
		return p
	}
	pending := vector{}
	for partition, m := range marks {
		p.start[partition] = m.from
		pending[partition] = span{m.from, m.note.to}
	}
	if !pending.empty() {
		p.pending = pending
	}
	return p
}
