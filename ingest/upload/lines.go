package upload

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// lines reads NDJSON.
type lines struct {
	r      *bufio.Reader
	max    int
	long   []byte // a line that is longer than the buffer
	number int64
}

func newLines(r *bufio.Reader, maxEvent int) *lines { return &lines{r: r, max: maxEvent} }

func (l *lines) next() (Event, error) {
	for {
		line, err := l.line()
		if err != nil {
			return Event{}, err
		}
		if l.number == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 {
			return Event{JSON: line, Number: l.number}, nil
		}
	}
}

// line returns the next line. Of one that is too long it keeps nothing.
func (l *lines) line() ([]byte, error) {
	l.number++
	line, err := l.r.ReadSlice('\n')
	if err == nil && len(line) <= l.max {
		return line, nil
	}
	l.long = append(l.long[:0], line...)
	tooLong := false
	for err == bufio.ErrBufferFull {
		line, err = l.r.ReadSlice('\n')
		if tooLong = tooLong || len(l.long)+len(line) > l.max+1; !tooLong {
			l.long = append(l.long, line...)
		}
	}
	tooLong = tooLong || len(bytes.TrimRight(l.long, "\r\n")) > l.max
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case tooLong:
		l.shrink()
		return nil, &Fault{Number: l.number, Reason: ReasonTooLarge, Detail: eventTooLong("this line", l.max)}
	case err == io.EOF && len(l.long) == 0:
		return nil, io.EOF
	}
	return l.long, nil
}

// shrink lets go of a buffer that one odd line has made large.
func (l *lines) shrink() {
	if cap(l.long) > bufferSize {
		l.long = nil
	}
}

func eventTooLong(what string, limit int) string {
	return fmt.Sprintf("%s is longer than %d bytes, which no event is: is there a line break missing?", what, limit)
}
