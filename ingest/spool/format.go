package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// A segment file, integers little-endian, checksums CRC-32C:
//
//	header  magic [8], version u32, marker [4], created i64 (Unix ns), checksum u32 of all before
//	record  marker [4], length u32, checksum u32 of marker, length and payload, payload
//	end     a record of length 0: the segment was finished in order
//
// The marker is random and another one in each segment, so that the next record
// is found behind a damaged one, and never inside what somebody has sent.
const (
	magic        = "PHSPOOL\n"
	version      = 1
	headerSize   = 28
	recordHeader = 12
)

type marker [4]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// framed is what a record takes in a segment.
func framed(record []byte) int64 { return int64(recordHeader + len(record)) }

func appendHeader(b []byte, m marker, created time.Time) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = append(b, m[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(created.UnixNano()))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// appendRecord appends a record; of length 0: the end.
func appendRecord(b []byte, m marker, payload []byte) []byte {
	start := len(b)
	b = append(b, m[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, checksum(b[start:], payload))
	return append(b, payload...)
}

func checksum(head, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, payload)
}

// contents is what the bytes of a segment hold.
type contents struct {
	created time.Time // zero: unknown
	records [][]byte  // parts of the bytes
	damaged int64     // bytes of no readable record
	torn    int64     // bytes at the end that were still being written at a crash
}

// parse reads a segment and goes on behind what is damaged. Only a version that
// it does not know is an error.
func parse(data []byte) (c contents, err error) {
	if len(data) < headerSize {
		return contents{torn: int64(len(data))}, nil
	}
	var m marker
	finished := false
	head := data[:headerSize]
	switch sum := binary.LittleEndian.Uint32(head[24:]); {
	case string(head[:8]) == magic && sum == crc32.Checksum(head[:24], castagnoli):
		if v := binary.LittleEndian.Uint32(head[8:]); v != version {
			return c, fmt.Errorf("segment of version %d, this knows %d", v, version)
		}
		m = marker(head[12:16])
		c.created = time.Unix(0, int64(binary.LittleEndian.Uint64(head[16:])))
	case zero(data):
		return contents{torn: int64(len(data))}, nil
	default:
		// The records tell their marker too.
		c.damaged, finished = headerSize, true
		copy(m[:], data[headerSize:])
	}
	r := &reader{data: data, marker: m, patience: 64 * len(data)}
	r.read(&c, finished)
	return c, nil
}

// reader finds the records of a segment.
type reader struct {
	data   []byte
	marker marker
	// patience is how many bytes may be summed in vain: what only looks like the
	// beginnings of large records must not take hours.
	patience int
}

// read reads what is behind the header. At the end of a segment that is finished
// nothing can be torn.
func (r *reader) read(c *contents, finished bool) {
	for pos := headerSize; pos < len(r.data); {
		if payload, ok := r.record(pos); ok {
			if len(payload) > 0 {
				c.records = append(c.records, payload)
			} else {
				finished = true
			}
			pos += recordHeader + len(payload)
			continue
		}
		next := r.find(pos + 1)
		if next == len(r.data) && !finished && torn(r.data[pos:], r.marker) {
			c.torn = int64(next - pos)
		} else {
			c.damaged += int64(next - pos)
		}
		pos = next
	}
}

// record returns the record at pos, if it is whole.
func (r *reader) record(pos int) (payload []byte, ok bool) {
	b := r.data[pos:]
	if len(b) < recordHeader || marker(b[:4]) != r.marker {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if uint64(n) > uint64(len(b)-recordHeader) || r.patience < 0 {
		return nil, false
	}
	payload = b[recordHeader : recordHeader+n : recordHeader+n]
	if ok = checksum(b[:8], payload) == binary.LittleEndian.Uint32(b[8:]); !ok {
		r.patience -= int(n)
	}
	return payload, ok
}

// find returns where, from pos on, the next whole record is, or the end.
func (r *reader) find(pos int) int {
	for pos < len(r.data) {
		i := bytes.Index(r.data[pos:], r.marker[:])
		if i < 0 {
			break
		}
		pos += i
		if _, ok := r.record(pos); ok {
			return pos
		}
		pos++
	}
	return len(r.data)
}

// torn tells whether the end of a segment is what a crash leaves of a record
// that was being written: its beginning, or a file that has grown without its
// data. A record that is there in full but for its checksum is damaged.
func torn(rest []byte, m marker) bool {
	if zero(rest) {
		return true
	}
	if !bytes.HasPrefix(rest, m[:min(len(m), len(rest))]) {
		return false
	}
	return len(rest) < recordHeader ||
		uint64(binary.LittleEndian.Uint32(rest[4:])) > uint64(len(rest)-recordHeader)
}

func zero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }
