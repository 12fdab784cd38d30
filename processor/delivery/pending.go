package delivery

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// pending is the state of a call that is still to be made, or whose outcome is
// not yet known.
type pending struct {
	attempts int32             // made and failed in this round: what the schedule counts
	before   int32             // made in earlier rounds: a person may begin a new one
	asked    schemas.Timestamp // when a person asked for this round; 0: nobody did
	due      time.Time         // of the next one
	since    time.Time         // when it became pending; zero in version 1
	endpoint string            // of the trigger; empty in version 1
	rule     string            // likewise
	trigger  []byte            // as read from the topic, schema id included
}

// pendingVersion is the first byte of the stored form: version, flags (none yet),
// attempts, before, asked, due, since, endpoint, rule, trigger; numbers as varints,
// times in microseconds, texts with their length. Version 1 had attempts, due and
// trigger.
const pendingVersion = 2

// maxAttempts is more than any schedule has: a record of more is damaged.
const maxAttempts = 1 << 20

func (p *pending) append(dst []byte) []byte {
	dst = append(dst, pendingVersion, 0)
	dst = binary.AppendUvarint(dst, uint64(p.attempts))
	dst = binary.AppendUvarint(dst, uint64(p.before))
	dst = binary.AppendVarint(dst, int64(p.asked))
	dst = binary.AppendVarint(dst, p.due.UnixMicro())
	dst = binary.AppendVarint(dst, p.since.UnixMicro())
	dst = binary.AppendUvarint(dst, uint64(len(p.endpoint)))
	dst = append(dst, p.endpoint...)
	dst = binary.AppendUvarint(dst, uint64(len(p.rule)))
	dst = append(dst, p.rule...)
	return append(dst, p.trigger...)
}

var errPending = errors.New("pending record is damaged")

// parsePending reads either version; trigger is a part of b.
func parsePending(b []byte) (p pending, err error) {
	if len(b) == 0 {
		return p, errPending
	}
	version, r := b[0], cursor{rest: b[1:]}
	switch version {
	case 1:
		p.attempts, p.due = r.attempts(), r.time()
	case pendingVersion:
		r.byte()
		p.attempts, p.before = r.attempts(), r.attempts()
		p.asked = schemas.Timestamp(r.varint())
		p.due, p.since = r.time(), r.time()
		p.endpoint, p.rule = r.text(), r.text()
	default:
		return p, errPending
	}
	if r.failed {
		return pending{}, errPending
	}
	p.trigger = r.rest
	return p, nil
}

// cursor reads a stored form; once something failed all that follows does.
type cursor struct {
	rest   []byte
	failed bool
}

func (c *cursor) advance(n int) {
	if n <= 0 || n > len(c.rest) {
		c.failed, c.rest = true, nil
		return
	}
	c.rest = c.rest[n:]
}

func (c *cursor) byte() { c.advance(1) }

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.rest)
	c.advance(n)
	return v
}

func (c *cursor) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(c.rest)
	c.advance(n)
	c.failed = c.failed || v > limit
	return v
}

func (c *cursor) attempts() int32 { return int32(c.uvarint(maxAttempts)) }

func (c *cursor) time() time.Time { return time.UnixMicro(c.varint()) }

func (c *cursor) text() string {
	n := c.uvarint(uint64(len(c.rest)))
	if c.failed || int(n) > len(c.rest) {
		c.failed = true
		return ""
	}
	s := string(c.rest[:n])
	c.rest = c.rest[n:]
	return s
}
