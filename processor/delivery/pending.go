package delivery

import (
	"encoding/binary"
	"errors"
	"time"
)

// pending is the state of a call that is still to be made, or whose outcome is
// not yet known.
type pending struct {
	attempts int32     // made and failed so far
	due      time.Time // of the next one
	trigger  []byte    // as read from the topic, schema id included
}

// pendingVersion is the first byte of the stored form: version, attempts,
// due (microseconds), trigger.
const pendingVersion = 1

func (p *pending) append(dst []byte) []byte {
	dst = append(dst, pendingVersion)
	dst = binary.AppendUvarint(dst, uint64(p.attempts))
	dst = binary.AppendVarint(dst, p.due.UnixMicro())
	return append(dst, p.trigger...)
}

var errPending = errors.New("pending record is damaged")

func parsePending(b []byte) (p pending, err error) {
	if len(b) == 0 || b[0] != pendingVersion {
		return p, errPending
	}
	b = b[1:]
	attempts, n := binary.Uvarint(b)
	if n <= 0 || attempts > 1<<20 {
		return p, errPending
	}
	b = b[n:]
	due, n := binary.Varint(b)
	if n <= 0 {
		return p, errPending
	}
	return pending{attempts: int32(attempts), due: time.UnixMicro(due), trigger: b[n:]}, nil
}
