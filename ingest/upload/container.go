package upload

import (
	"bufio"
	"fmt"
	"io"

	"github.com/twmb/avro/ocf"
)

var containerMagic = []byte("Obj\x01")

// maxBlock bounds a block of a container, compressed and not: a writer's usual
// one is 64 KiB.
const maxBlock = 16 << 20

// container reads an Avro object container file, with codec null, deflate, snappy
// or zstandard.
type container struct {
	r     *ocf.Reader
	in    *inflated
	out   int64 // bytes of all events
	max   int
	index int64
	buf   []byte
}

func newContainer(b *bufio.Reader, in *inflated, maxEvent int) (*container, error) {
	r, err := ocf.NewReader(b, ocf.WithMaxBlockBytes(maxBlock), ocf.WithMaxDecompressedBlockBytes(maxBlock))
	if err != nil {
		return nil, badAvro(0, err)
	}
	if kind := r.Schema().Root().Type; kind != "record" {
		return nil, &Error{Reason: ReasonBadAvro, Detail: fmt.Sprintf("the schema is a %s: a record with the fields of an event is expected", kind)}
	}
	return &container{r: r, in: in, max: maxEvent}, nil
}

func badAvro(index int64, err error) *Error {
	return &Error{Number: index, Reason: ReasonBadAvro, Detail: fmt.Sprintf("the file can't be read as an Avro object container file: %v", err)}
}

func (c *container) next() (Event, error) {
	var record any
	err := c.r.Decode(&record)
	if err == io.EOF {
		return Event{}, err
	}
	if err != nil {
		return Event{}, badAvro(c.index, err)
	}
	index := c.index
	c.index++
	if c.buf, err = c.r.Schema().AppendEncodeJSON(c.buf[:0], record); err != nil {
		return Event{}, &Fault{Number: index, Reason: ReasonBadAvro, Detail: fmt.Sprintf("this record can't be written as JSON: %v", err)}
	}
	c.out += int64(len(c.buf))
	if c.out > freeSize && c.out > maxRatio*c.in.in.n {
		return Event{}, &Error{Number: index, Reason: ReasonBomb, Detail: fmt.Sprintf("this grows to more than %d times of what was sent: no events compress like that", maxRatio)}
	}
	if len(c.buf) > c.max {
		c.buf = nil
		return Event{}, &Fault{Number: index, Reason: ReasonTooLarge, Detail: eventTooLong("this record", c.max)}
	}
	return Event{JSON: c.buf, Number: index}, nil
}
