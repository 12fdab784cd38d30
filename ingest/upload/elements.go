package upload

import (
	"bufio"
	"fmt"
	"io"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
)

// elements reads a JSON array element by element, or a value that stands alone.
type elements struct {
	r      *bufio.Reader
	max    int
	buf    []byte
	index  int64
	state  elementsState
	closed bool // the array, or the value that stands alone
}

type elementsState int

const (
	atStart elementsState = iota
	inArray
	alone
)

func newElements(r *bufio.Reader, maxEvent int) *elements { return &elements{r: r, max: maxEvent} }

func (e *elements) next() (Event, error) {
	if e.closed {
		return Event{}, e.end()
	}
	c, err := e.token()
	switch {
	case err == io.EOF && e.state == atStart:
		return Event{}, e.bad("the body is empty: an event or an array of events is expected")
	case err == io.EOF:
		return Event{}, e.bad("the array is cut off")
	case err != nil:
		return Event{}, err
	case e.state == atStart && c == '[':
		e.state = inArray
		if c, err = e.discard(); err == nil && c == ']' {
			e.closed = true
			_, err = e.r.Discard(1)
			if err == nil {
				err = e.end()
			}
		}
		if err != nil {
			return Event{}, e.cut(err)
		}
	case e.state == atStart:
		e.state = alone
	}
	return e.element()
}

// element reads the value that begins here, and what separates it from the next.
func (e *elements) element() (Event, error) {
	tooLong, err := e.value()
	if err != nil {
		return Event{}, e.cut(err)
	}
	ev := Event{JSON: e.buf, Number: e.index}
	if !tooLong {
		if _, err := jsonscan.Parse(e.buf); err != nil {
			return Event{}, e.bad(fmt.Sprintf("this is not JSON, and what follows can't be told from it: %v of the element; mend it, or send one event a line as application/x-ndjson", err))
		}
	}
	if err := e.separator(); err != nil {
		return Event{}, err
	}
	e.index++
	if tooLong {
		e.buf = nil
		return Event{}, &Fault{Number: ev.Number, Reason: ReasonTooLarge, Detail: eventTooLong("this element", e.max)}
	}
	return ev, nil
}

// separator reads up to where the next element begins.
func (e *elements) separator() error {
	if e.state == alone {
		e.closed = true
		return nil
	}
	c, err := e.token()
	if err != nil {
		return e.cut(err)
	}
	switch c {
	case ']':
		e.closed = true
		_, err = e.r.Discard(1)
		return err
	case ',':
		if c, err = e.discard(); err != nil {
			return e.cut(err)
		}
		if c != ']' {
			return nil
		}
	}
	return e.bad(fmt.Sprintf("%q is not expected behind this element: elements are separated by commas", c))
}

// end makes sure that nothing follows.
func (e *elements) end() error {
	c, err := e.token()
	if err != nil {
		return err // io.EOF where all is well
	}
	if e.state == alone && c == '{' {
		return e.bad("another object follows the first: send one event a line as application/x-ndjson, or an array")
	}
	return e.bad(fmt.Sprintf("%q is not expected behind the end", c))
}

func (e *elements) bad(detail string) error {
	return &Error{Number: e.index, Reason: ReasonBadJSON, Detail: detail}
}

// cut says of an end that comes too early what it means.
func (e *elements) cut(err error) error {
	if err == io.EOF && !e.closed {
		return e.bad("the body is cut off in the middle")
	}
	return err
}

// token returns the next byte that is no white space, without reading it.
func (e *elements) token() (byte, error) {
	if e.state == atStart {
		if head, _ := e.r.Peek(len(byteOrderMark)); string(head) == string(byteOrderMark) {
			_, _ = e.r.Discard(len(byteOrderMark))
		}
	}
	for {
		b, err := e.r.Peek(1)
		if err != nil {
			return 0, err
		}
		if c := b[0]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, nil
		}
		_, _ = e.r.Discard(1)
	}
}

// discard goes on to the next token behind this one.
func (e *elements) discard() (byte, error) {
	if _, err := e.r.Discard(1); err != nil {
		return 0, err
	}
	return e.token()
}

// value reads one value into buf; of one that is too long only its beginning.
func (e *elements) value() (tooLong bool, err error) {
	e.buf = e.buf[:0]
	var n nesting
	for {
		if _, err := e.r.Peek(1); err != nil {
			if err == io.EOF && n.scalar {
				err = nil
			}
			return tooLong, err
		}
		chunk, _ := e.r.Peek(e.r.Buffered())
		used, done := 0, false
		for used < len(chunk) && !done {
			switch n.step(chunk[used]) {
			case more:
				used++
			case last:
				used++
				done = true
			case behind:
				done = true
			}
		}
		if tooLong = tooLong || len(e.buf)+used > e.max; !tooLong {
			e.buf = append(e.buf, chunk[:used]...)
		}
		_, _ = e.r.Discard(used)
		if done {
			return tooLong, nil
		}
	}
}

// nesting finds the end of a JSON value, whatever else may be wrong with it.
type nesting struct {
	depth             int
	inString, escaped bool
	scalar            bool
}

type step int

const (
	more   step = iota // the value goes on
	last               // this byte ends it
	behind             // this byte is no part of it any more
)

func (n *nesting) step(c byte) step {
	switch {
	case n.escaped:
		n.escaped = false
	case n.inString && c == '\\':
		n.escaped = true
	case n.inString && c != '"':
	case n.scalar && (c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\r' || c == '\n'):
		return behind
	case n.scalar:
	case c == '"':
		if n.inString = !n.inString; !n.inString && n.depth == 0 {
			return last
		}
	case c == '{' || c == '[':
		n.depth++
	case c == '}' || c == ']':
		if n.depth--; n.depth <= 0 {
			return last
		}
	case n.depth == 0:
		n.scalar = true
	}
	return more
}
