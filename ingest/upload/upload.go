// Package upload reads what own senders upload, one event at a time and in
// memory that does not grow with it: JSON, NDJSON, Avro object container files
// and CSV, compressed or not.
//
// It finds where events begin and end. What they say, it does not judge.
package upload

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// Event is one event as a JSON value.
type Event struct {
	// JSON is not checked where the form is NDJSON. It is valid until the next
	// call of Next.
	JSON []byte
	// Number is the line, counted from 1, or the index, counted from 0; see
	// [Reader.Unit].
	Number int64
}

// Fault tells that one event can't be read. Next goes on behind it.
type Fault struct {
	Number int64
	Reason string
	Detail string // with the remedy, for a person
}

func (f *Fault) Error() string { return f.Reason + ": " + f.Detail }

// Error tells that nothing from an event on can be read.
type Error struct {
	Number int64
	Reason string
	Detail string
}

func (e *Error) Error() string { return e.Reason + ": " + e.Detail }

// Reasons of a Fault or Error.
const (
	ReasonBadJSON        = "bad_json"
	ReasonTooLarge       = "too_large"
	ReasonBadAvro        = "bad_avro"
	ReasonBadCSV         = "bad_csv"
	ReasonBadCompression = "bad_compression"
	ReasonBomb           = "compressed_too_much"
	ReasonUnsupported    = "unsupported"
)

// Format is a form of uploads.
type Format int

// The formats.
const (
	Auto   Format = iota // by how it begins
	JSON                 // an object or an array of them
	NDJSON               // an object a line
	OCF                  // Avro object container file
	CSV                  // with a header row of field names
)

// Options are how an upload is read. The zero value takes JSON, NDJSON and OCF
// as they come.
type Options struct {
	Format Format
	// Encoding is the compression: gzip or zstd; otherwise told by how the
	// upload begins.
	Encoding string
	// MaxEvent is the longest event, in bytes; default 1 MiB.
	MaxEvent int
	// MaxWindow bounds the memory of zstd, in bytes; default 8 MiB, which is what
	// RFC 9659 lets HTTP use.
	MaxWindow uint64
	// Buffer is how much is read at once, in bytes; default 64 KiB.
	Buffer int
}

const (
	defaultMaxEvent  = 1 << 20
	defaultMaxWindow = 8 << 20
	bufferSize       = 64 << 10
)

// Reader reads the events of one upload.
type Reader struct {
	// Unit is what Number counts: "line" or "index".
	Unit string

	form  form
	in    *source
	plain *inflated
}

// form reads one format.
type form interface {
	// next returns the next event, or a *Fault, an *Error, io.EOF, or what
	// reading has failed with.
	next() (Event, error)
}

// Open looks at how an upload begins. Its errors are those of Next.
func Open(r io.Reader, o Options) (*Reader, error) {
	if o.MaxEvent == 0 {
		o.MaxEvent = defaultMaxEvent
	}
	if o.MaxWindow == 0 {
		o.MaxWindow = defaultMaxWindow
	}
	if o.Buffer == 0 {
		o.Buffer = bufferSize
	}
	u := &Reader{in: &source{r: r}}
	var err error
	if u.plain, err = inflate(u.in, o); err != nil {
		return nil, u.cause(err)
	}
	b := bufio.NewReaderSize(u.plain, o.Buffer)
	if u.form, u.Unit, err = open(b, u.plain, o); err != nil {
		u.Close()
		return nil, u.cause(err)
	}
	return u, nil
}

func open(b *bufio.Reader, p *inflated, o Options) (form, string, error) {
	if o.Format == Auto {
		o.Format = guess(b)
	}
	switch o.Format {
	case JSON:
		return newElements(b, o.MaxEvent), "index", nil
	case NDJSON:
		return newLines(b, o.MaxEvent), "line", nil
	case OCF:
		f, err := newContainer(b, p, o.MaxEvent)
		return f, "index", err
	case CSV:
		f, err := newTable(b, o.MaxEvent)
		return f, "line", err
	}
	return nil, "", &Error{Reason: ReasonUnsupported, Detail: fmt.Sprintf("there is no format %d", o.Format)}
}

// guess tells the format by how an upload begins. Where it begins with an object,
// it is NDJSON unless the first line is not the whole of one.
func guess(b *bufio.Reader) Format {
	for n := min(512, b.Size()); ; n = min(2*n, b.Size()) {
		head, err := b.Peek(n)
		if bytes.HasPrefix(head, containerMagic) {
			return OCF
		}
		text := bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
		line, _, whole := bytes.Cut(text, []byte("\n"))
		switch {
		case len(text) > 0 && text[0] == '[':
			return JSON
		case whole && text[0] == '{' && !balanced(line):
			return JSON
		case whole || err != nil || n == b.Size():
			return NDJSON
		}
	}
}

// balanced tells whether all that is opened is closed.
func balanced(b []byte) bool {
	var n nesting
	for _, c := range b {
		n.step(c)
	}
	return n.depth <= 0 && !n.inString
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Next returns the next event; a *Fault where one can't be read, upon which the
// next call goes on; io.EOF at the end; an *Error where the rest can't be read; or
// what reading has failed with.
func (u *Reader) Next() (Event, error) {
	ev, err := u.form.next()
	if err != nil {
		return Event{}, u.cause(err)
	}
	return ev, nil
}

// cause returns why reading has really failed: what lies above the source takes
// its end for damage.
func (u *Reader) cause(err error) error {
	if _, one := err.(*Fault); one || err == io.EOF {
		return err
	}
	if u.in.err != nil {
		return u.in.err
	}
	if u.plain != nil && u.plain.err != nil {
		return u.plain.err
	}
	return err
}

// Close lets go of what the reader holds; not of what it reads from.
func (u *Reader) Close() { u.plain.close() }

// source notes what reading has failed with, and how much was read.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.n += int64(n)
	if err != nil && err != io.EOF && s.err == nil {
		s.err = err
	}
	return n, err
}
