package upload

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table reads CSV whose first row names the fields of events. Cells that are empty
// are fields that are not there; all others are text, which says the same as a
// number or a JSON list or object does.
type table struct {
	r     *csv.Reader
	fuse  *fuse
	names [][]byte // as JSON
	buf   []byte
	max   int
}

func newTable(b *bufio.Reader, maxEvent int) (*table, error) {
	if head, _ := b.Peek(len(byteOrderMark)); bytes.Equal(head, byteOrderMark) {
		_, _ = b.Discard(len(byteOrderMark))
	}
	t := &table{fuse: &fuse{r: b, limit: maxEvent + bufferSize}, max: maxEvent}
	t.r = csv.NewReader(t.fuse)
	t.r.Comma = separatorOf(b)
	t.r.ReuseRecord = true
	header, err := t.r.Read()
	if err == io.EOF {
		return nil, &Error{Number: 1, Reason: ReasonBadCSV, Detail: "the file is empty: its first row is to name the fields of the events below"}
	}
	if err != nil {
		return nil, t.fatal(1, err)
	}
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		if name == "" || seen[name] {
			return nil, &Error{Number: 1, Reason: ReasonBadCSV, Detail: fmt.Sprintf("column %d is named %q, which is no name or there twice: the first row is to name the fields of the events below", i+1, name)}
		}
		seen[name] = true
		t.names = append(t.names, append(appendText(nil, name), ':'))
	}
	return t, nil
}

// separatorOf returns what separates the columns of the first row: a comma, or
// what spreadsheets take where the comma separates decimals.
func separatorOf(b *bufio.Reader) rune {
	head, _ := b.Peek(b.Size())
	line, _, _ := bytes.Cut(head, []byte("\n"))
	best := ','
	for _, c := range []rune{';', '\t'} {
		if bytes.Count(line, []byte(string(c))) > bytes.Count(line, []byte(string(best))) {
			best = c
		}
	}
	return best
}

func (t *table) next() (Event, error) {
	t.fuse.used = 0
	row, err := t.r.Read()
	if err == io.EOF {
		return Event{}, err
	}
	line := 0
	if len(row) > 0 {
		line, _ = t.r.FieldPos(0)
	}
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong) && t.fuse.err == nil:
		detail := fmt.Sprintf("this row can't be read: %v", wrong.Err)
		if errors.Is(err, csv.ErrFieldCount) {
			detail = fmt.Sprintf("this row has %d columns, the first one %d", len(row), len(t.names))
		}
		return Event{}, &Fault{Number: int64(wrong.StartLine), Reason: ReasonBadCSV, Detail: detail}
	case err != nil:
		return Event{}, t.fatal(line, err)
	}
	t.buf = append(t.buf[:0], '{')
	for i, cell := range row {
		if cell == "" {
			continue
		}
		if len(t.buf) > 1 {
			t.buf = append(t.buf, ',')
		}
		t.buf = append(t.buf, t.names[i]...)
		t.buf = appendText(t.buf, cell)
	}
	t.buf = append(t.buf, '}')
	if len(t.buf) > t.max {
		t.buf = nil
		return Event{}, &Fault{Number: int64(line), Reason: ReasonTooLarge, Detail: eventTooLong("this row", t.max)}
	}
	return Event{JSON: t.buf, Number: int64(line)}, nil
}

func (t *table) fatal(line int, err error) error {
	if t.fuse.err != nil {
		err = t.fuse.err
	}
	return &Error{Number: int64(line), Reason: ReasonBadCSV, Detail: fmt.Sprintf("the file can't be read as CSV: %v", err)}
}

// fuse ends the reading of a row that does not end: what follows a quote that is
// not closed would all be read into memory.
type fuse struct {
	r           *bufio.Reader
	used, limit int
	err         error
}

func (f *fuse) Read(b []byte) (int, error) {
	if f.used > f.limit {
		f.err = fmt.Errorf("a row is longer than %d bytes: is there a quote that is not closed?", f.limit)
		return 0, f.err
	}
	n, err := f.r.Read(b)
	f.used += n
	return n, err
}

// appendText appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}
