package verify

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/s2"
)

// kind tells what a spilled record is.
type kind byte

const (
	kindExpectedEvent kind = iota + 1
	kindOtherEvent         // of a webhook after the cut, or no longer retained
	kindFoundEvent
	kindMessage
	kindTrigger
	kindExpectedRejection
	kindRejection
	kindContribution
	kindStatistics
	kindTouched // a campaign changed by what came after the cut
	kindLater   // a campaign that an event from outside of the cut names
	kindSteps   // what campaigns' rules count
	kindSuppression
)

// maxSpilled guards against a damaged file.
const maxSpilled = 64 << 20

// spill keeps records on disk, partitioned by a hash of their key, so that one
// bucket at a time fits into memory.
type spill struct {
	dir     string
	buckets []*bucket
}

type bucket struct {
	file *os.File
	buf  *bufio.Writer
	w    *s2.Writer
}

func newSpill(dir, name string, buckets int) (*spill, error) {
	s := &spill{dir: dir}
	for i := range buckets {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s-%03d", name, i)), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("creating spill file: %w", err)
		}
		buf := bufio.NewWriterSize(f, 16<<10)
		// Small blocks and one goroutine: there are many of these writers.
		s.buckets = append(s.buckets, &bucket{f, buf, s2.NewWriter(buf, s2.WriterBlockSize(32<<10), s2.WriterConcurrency(1))})
	}
	return s, nil
}

func (s *spill) close() {
	for _, b := range s.buckets {
		_ = b.file.Close()
		_ = os.Remove(b.file.Name())
	}
}

// put keeps a record under a key.
func (s *spill) put(key []byte, k kind, value []byte) error {
	h := fnv.New64a()
	_, _ = h.Write(key)
	b := s.buckets[h.Sum64()%uint64(len(s.buckets))]
	head := binary.AppendUvarint([]byte{byte(k)}, uint64(len(value)))
	if _, err := b.w.Write(head); err != nil {
		return fmt.Errorf("writing spill file: %w", err)
	}
	if _, err := b.w.Write(value); err != nil {
		return fmt.Errorf("writing spill file: %w", err)
	}
	return nil
}

// each reads a bucket back in the order it was written. The value belongs to f.
func (s *spill) each(i int, f func(k kind, value []byte) error) error {
	b := s.buckets[i]
	if err := errors.Join(b.w.Close(), b.buf.Flush()); err != nil {
		return fmt.Errorf("writing spill file: %w", err)
	}
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading spill file: %w", err)
	}
	r := bufio.NewReader(s2.NewReader(b.file))
	for {
		k, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading spill file: %w", err)
		}
		n, err := binary.ReadUvarint(r)
		if err != nil || n > maxSpilled {
			return fmt.Errorf("reading spill file: bad length %d: %w", n, errors.Join(err))
		}
		value := make([]byte, n)
		if _, err := io.ReadFull(r, value); err != nil {
			return fmt.Errorf("reading spill file: %w", err)
		}
		if err := f(kind(k), value); err != nil {
			return err
		}
	}
}
