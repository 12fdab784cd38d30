package upload

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Events compress to a tenth or a thirtieth, made up ones to a hundredth. What
// grows by more than maxRatio is a bomb, once it is longer than freeSize: reading
// it takes no memory, but the time of a thousand times as much as was sent.
const (
	maxRatio = 200
	freeSize = 16 << 20
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// inflated is an upload without its compression.
type inflated struct {
	r       io.Reader
	in      *source
	n       int64 // bytes that came out
	packed  bool
	err     error // why it is damaged
	closing func()
}

// inflate finds and undoes the compression.
func inflate(in *source, o Options) (*inflated, error) {
	b := bufio.NewReaderSize(in, o.Buffer)
	p := &inflated{r: b, in: in, closing: func() {}}
	head, _ := b.Peek(len(zstdMagic))
	var err error
	switch {
	case o.Encoding == "gzip" || o.Encoding != "zstd" && bytes.HasPrefix(head, gzipMagic):
		p.packed = true
		p.r, err = gzip.NewReader(b)
	case o.Encoding == "zstd" || bytes.Equal(head, zstdMagic):
		p.packed = true
		var d *zstd.Decoder
		// One at a time needs no goroutines.
		d, err = zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(o.MaxWindow))
		if err == nil {
			p.r, p.closing = d, d.Close
		}
	}
	if err != nil {
		return nil, damaged(err)
	}
	return p, nil
}

func damaged(err error) error {
	return &Error{Reason: ReasonBadCompression, Detail: fmt.Sprintf("the compression is damaged or cut off: %v; compress it again with gzip or zstd", err)}
}

func (p *inflated) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.r.Read(b)
	if p.packed && p.in.err == nil {
		switch bomb := p.grow(n); {
		case bomb != nil:
			p.err = bomb
		case errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded):
			p.err = &Error{Reason: ReasonBadCompression, Detail: "the window of zstd is larger than 8 MiB: compress without --long or --ultra"}
		case err != nil && err != io.EOF:
			p.err = damaged(err)
		}
		if p.err != nil {
			return n, p.err
		}
	}
	return n, err
}

// grow counts bytes that came out, and returns an error where they are too many.
func (p *inflated) grow(n int) error {
	if p.n += int64(n); p.n <= freeSize || p.n <= maxRatio*p.in.n {
		return nil
	}
	return &Error{Reason: ReasonBomb, Detail: fmt.Sprintf("this grows to more than %d times of what was sent: no events compress like that; send it with less compression", maxRatio)}
}

func (p *inflated) close() { p.closing() }
