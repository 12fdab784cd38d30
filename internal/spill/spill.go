// Package spill keeps records on disk, partitioned by a hash of their key, so
// that one bucket at a time fits into memory: what many records say of one key
// is then worked out without holding those of all keys.
package spill

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

// maxValue guards against a damaged file, in bytes.
const maxValue = 64 << 20

// Files are the buckets, a file each. They are not safe for concurrent use.
type Files struct{ buckets []*bucket }

type bucket struct {
	file *os.File
	buf  *bufio.Writer
	w    *s2.Writer
}

// Create makes the files of so many buckets in dir, which must not have any of
// that name yet.
func Create(dir, name string, buckets int) (*Files, error) {
	s := &Files{}
	for i := range buckets {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s-%03d", name, i)), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("creating spill file: %w", err)
		}
		buf := bufio.NewWriterSize(f, 16<<10)
		// Small blocks and one goroutine: there are many of these writers.
		s.buckets = append(s.buckets, &bucket{f, buf, s2.NewWriter(buf, s2.WriterBlockSize(32<<10), s2.WriterConcurrency(1))})
	}
	return s, nil
}

// Buckets is how many there are.
func (s *Files) Buckets() int { return len(s.buckets) }

// Close removes the files.
func (s *Files) Close() {
	for _, b := range s.buckets {
		_ = b.file.Close()
		_ = os.Remove(b.file.Name())
	}
}

// Put keeps a value of some kind in the bucket of its key.
func (s *Files) Put(key []byte, kind byte, value []byte) error {
	h := fnv.New64a()
	_, _ = h.Write(key)
	b := s.buckets[h.Sum64()%uint64(len(s.buckets))]
	head := binary.AppendUvarint([]byte{kind}, uint64(len(value)))
	if _, err := b.w.Write(head); err != nil {
		return fmt.Errorf("writing spill file: %w", err)
	}
	if _, err := b.w.Write(value); err != nil {
		return fmt.Errorf("writing spill file: %w", err)
	}
	return nil
}

// Each reads a bucket back in the order it was written; nothing can be put into
// it after. The value belongs to f.
func (s *Files) Each(i int, f func(kind byte, value []byte) error) error {
	b := s.buckets[i]
	if err := errors.Join(b.w.Close(), b.buf.Flush()); err != nil {
		return fmt.Errorf("writing spill file: %w", err)
	}
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading spill file: %w", err)
	}
	r := bufio.NewReader(s2.NewReader(b.file))
	for {
		kind, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading spill file: %w", err)
		}
		n, err := binary.ReadUvarint(r)
		if err != nil || n > maxValue {
			return fmt.Errorf("reading spill file: bad length %d: %w", n, errors.Join(err))
		}
		value := make([]byte, n)
		if _, err := io.ReadFull(r, value); err != nil {
			return fmt.Errorf("reading spill file: %w", err)
		}
		if err := f(kind, value); err != nil {
			return err
		}
	}
}
