package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/posthorn/posthorn/ingest/upload"
)

// chunk is a part of a file's events, a line each.
type chunk struct {
	body    bytes.Buffer
	numbers []int64 // of the lines, in the file
	ends    []int   // of the lines, in body
	faults  []upload.Fault
	ahead   []byte // the event that did not fit any more
	number  int64
}

// events counts those of the file that the chunk passes, good ones or not.
func (c *chunk) events() int64 { return int64(len(c.numbers) + len(c.faults)) }

func (c *chunk) line(n int) []byte {
	start := 0
	if n > 0 {
		start = c.ends[n-1]
	}
	return c.body.Bytes()[start : c.ends[n]-1]
}

// fill reads the next chunk; at the end of the file it returns true.
func (c *chunk) fill(in *upload.Reader) (end bool, err error) {
	c.body.Reset()
	c.numbers, c.ends, c.faults = c.numbers[:0], c.ends[:0], c.faults[:0]
	if c.ahead != nil {
		if err := c.add(c.ahead, c.number); err != nil {
			return false, err
		}
		c.ahead = nil
	}
	for c.events() < chunkEvents {
		ev, err := in.Next()
		var one *upload.Fault
		switch {
		case err == io.EOF:
			return true, nil
		case errors.As(err, &one):
			c.faults = append(c.faults, *one)
		case err != nil:
			return false, err
		case c.body.Len() > 0 && c.body.Len()+len(ev.JSON) > chunkBytes:
			c.ahead, c.number = bytes.Clone(ev.JSON), ev.Number
			return false, nil
		default:
			if err := c.add(ev.JSON, ev.Number); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

func (c *chunk) add(text []byte, number int64) error {
	if bytes.IndexByte(text, '\n') >= 0 {
		if err := json.Compact(&c.body, text); err != nil {
			return fmt.Errorf("writing an event as one line: %w", err)
		}
	} else {
		c.body.Write(text)
	}
	c.body.WriteByte('\n')
	c.numbers, c.ends = append(c.numbers, number), append(c.ends, c.body.Len())
	return nil
}
