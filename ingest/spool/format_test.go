package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var testMarker = marker{0xd7, 'm', 0, 'k'}

func segmentOf(end bool, records ...string) []byte {
	b := appendHeader(nil, testMarker, time.Unix(1_700_000_000, 0))
	for _, r := range records {
		b = appendRecord(b, testMarker, []byte(r))
	}
	if end {
		b = appendRecord(b, testMarker, nil)
	}
	return b
}

func TestParse(t *testing.T) {
	at := func(record int) int { return headerSize + record*(recordHeader+5) } // of records of 5 bytes
	change := func(b []byte, pos int) []byte { b = slices.Clone(b); b[pos] ^= 0x40; return b }
	open, ended := segmentOf(false, "first", "2.two", "third"), segmentOf(true, "first", "2.two", "third")
	for _, c := range []struct {
		name          string
		data          []byte
		want          string
		damaged, torn int
	}{
		{"whole", open, "first 2.two third", 0, 0},
		{"whole, ended", ended, "first 2.two third", 0, 0},
		{"empty", nil, "", 0, 0},
		{"torn header", open[:20], "", 0, 20},
		{"only a header", open[:headerSize], "", 0, 0},
		{"torn payload", open[:at(2)+14], "first 2.two", 0, 14},
		{"torn length", open[:at(2)+6], "first 2.two", 0, 6},
		{"torn marker", open[:at(2)+2], "first 2.two", 0, 2},
		{"grown without data", append(slices.Clone(open), make([]byte, 4096)...), "first 2.two third", 0, 4096},
		{"nothing written", make([]byte, 4096), "", 0, 4096},
		{"damaged payload", change(open, at(1)+13), "first third", 17, 0},
		{"damaged length", change(open, at(1)+5), "first third", 17, 0},
		{"damaged marker", change(open, at(1)), "first third", 17, 0},
		{"damaged last payload", change(open, at(2)+13), "first 2.two", 17, 0},
		{"damaged last length of a segment that was ended", change(ended[:at(3)+12], at(2)+6), "first 2.two", 17, 0},
		{"zeros behind the end", append(slices.Clone(ended), make([]byte, 100)...), "first 2.two third", 100, 0},
		{"damaged header", change(open, 3), "first 2.two third", headerSize, 0},
		{"damaged marker in the header", change(open, 13), "first 2.two third", headerSize, 0},
		{"damaged header and record", change(change(open, 13), at(1)+13), "first third", headerSize + 17, 0},
		{"something else", bytes.Repeat([]byte("text"), 20), "", 80, 0},
	} {
		got, err := parse(c.data)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if text := strings.Join(text(got.records), " "); text != c.want || got.damaged != int64(c.damaged) || got.torn != int64(c.torn) {
			t.Errorf("%s: %q, %d damaged, %d torn; want %q, %d, %d", c.name, text, got.damaged, got.torn, c.want, c.damaged, c.torn)
		}
	}
}

func text(records [][]byte) (s []string) {
	for _, r := range records {
		s = append(s, string(r))
	}
	return s
}

func TestUnknownVersion(t *testing.T) {
	b := segmentOf(false, "first")
	b[8] = 2
	binary.LittleEndian.PutUint32(b[24:], checksum(b[:24], nil))
	if _, err := parse(b); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v", err)
	}
}

// TestRecordInARecord: a sender can't smuggle a record in behind damage.
func TestRecordInARecord(t *testing.T) {
	inner := segmentOf(true, "smuggled")
	b := appendHeader(nil, marker{1, 2, 3, 4}, time.Now())
	b = appendRecord(b, marker{1, 2, 3, 4}, inner)
	b[headerSize+5] ^= 1
	c, err := parse(b)
	if err != nil || len(c.records) != 0 || c.damaged+c.torn != int64(len(b)-headerSize) {
		t.Errorf("%q, %+v, %v", c.records, c, err)
	}
}

// TestParseIsBounded: a segment full of what looks like large records takes no
// hours.
func TestParseIsBounded(t *testing.T) {
	b := segmentOf(false)
	for len(b) < 4<<20 {
		b = append(b, testMarker[:]...)
		b = binary.LittleEndian.AppendUint32(b, 2<<20)
	}
	start := time.Now()
	c, err := parse(b)
	if err != nil || len(c.records) != 0 || c.damaged != int64(len(b)-headerSize) {
		t.Errorf("%d damaged of %d, %v", c.damaged, len(b), err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %s", d)
	}
}

// FuzzParse: every byte is accounted for, every record is one that was framed
// with its checksum, and a segment of them reads the same.
func FuzzParse(f *testing.F) {
	open, ended := segmentOf(false, "first", "2.two", "third"), segmentOf(true, "first")
	f.Add(open)
	f.Add(ended)
	f.Add(open[:len(open)-3])
	f.Add(append(slices.Clone(open[:40]), open[41:]...))
	f.Add(append(slices.Clone(ended), open...))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse(data)
		if err != nil {
			return
		}
		if c.torn < 0 || c.damaged < 0 || c.torn+c.damaged > int64(len(data)) {
			t.Fatalf("%d damaged and %d torn of %d", c.damaged, c.torn, len(data))
		}
		size := c.torn + c.damaged
		if c.torn < int64(len(data)) && c.damaged == 0 {
			size += headerSize
		}
		again := appendHeader(nil, testMarker, c.created)
		for _, r := range c.records {
			if len(r) == 0 || !bytes.Contains(data, r) {
				t.Fatalf("record %q is not in the data", r)
			}
			size += framed(r)
			again = appendRecord(again, testMarker, r)
		}
		if size > int64(len(data)) {
			t.Fatalf("%d bytes accounted for of %d", size, len(data))
		}
		b, err := parse(again)
		if err != nil || fmt.Sprint(text(b.records)) != fmt.Sprint(text(c.records)) || b.damaged != 0 || b.torn != 0 {
			t.Fatalf("written again: %+v, %v; was %+v", b, err, c)
		}
	})
}
