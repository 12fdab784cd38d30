package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A tail is a file of what the stages derived from the events after those that
// were loaded, in the transactions of the live stages: what the sink is measured
// with, and what goes on while queries are.

// tailWriter writes a tail.
type tailWriter struct {
	file   *os.File
	zip    *zstd.Encoder
	topics []string
	number map[string]byte
	buf    []byte
}

// createTail begins a file for the records of some topics; those of others are
// left out.
func createTail(path string, topics []string) (*tailWriter, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	zip, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	t := &tailWriter{file: file, zip: zip, topics: topics, number: map[string]byte{}}
	t.buf = binary.AppendUvarint(t.buf, uint64(len(topics)))
	for i, name := range topics {
		t.number[name] = byte(i)
		t.buf = appendBytes(t.buf, []byte(name))
	}
	return t, nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// add writes a transaction.
func (t *tailWriter) add(events int64, records []*kgo.Record) error {
	n := 0
	for _, rec := range records {
		if _, known := t.number[rec.Topic]; known {
			n++
		}
	}
	t.buf = binary.AppendUvarint(t.buf, uint64(events))
	t.buf = binary.AppendUvarint(t.buf, uint64(n))
	for _, rec := range records {
		number, known := t.number[rec.Topic]
		if !known {
			continue
		}
		t.buf = append(t.buf, number, byte(rec.Partition))
		t.buf = appendBytes(t.buf, rec.Key)
		t.buf = appendBytes(t.buf, rec.Value)
	}
	_, err := t.zip.Write(t.buf)
	t.buf = t.buf[:0]
	return err
}

func (t *tailWriter) close() error { return errors.Join(t.zip.Close(), t.file.Close()) }

// tailReader reads a tail from its beginning.
type tailReader struct {
	file   *os.File
	zip    *zstd.Decoder
	in     *bufio.Reader
	topics []string
}

func openTail(path string) (*tailReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	zip, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	t := &tailReader{file: file, zip: zip, in: bufio.NewReaderSize(zip, 1<<20)}
	n, err := binary.ReadUvarint(t.in)
	for range n {
		var name []byte
		if name, err = t.bytes(); err != nil {
			break
		}
		t.topics = append(t.topics, string(name))
	}
	if err != nil {
		t.close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return t, nil
}

// next returns a transaction and how many events are in it; io.EOF at the end.
func (t *tailReader) next() (events int64, records []*kgo.Record, err error) {
	made, err := binary.ReadUvarint(t.in)
	if err != nil {
		return 0, nil, err // io.EOF at the end
	}
	n, err := binary.ReadUvarint(t.in)
	if err != nil {
		return 0, nil, broken(err)
	}
	records = make([]*kgo.Record, n)
	for i := range records {
		var head [2]byte
		if _, err := io.ReadFull(t.in, head[:]); err != nil {
			return 0, nil, broken(err)
		}
		rec := &kgo.Record{Topic: t.topics[head[0]], Partition: int32(head[1])}
		if rec.Key, err = t.bytes(); err == nil {
			rec.Value, err = t.bytes()
		}
		if err != nil {
			return 0, nil, broken(err)
		}
		records[i] = rec
	}
	return int64(made), records, nil
}

func broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading the tail: %w", err)
}

func (t *tailReader) bytes() ([]byte, error) {
	n, err := binary.ReadUvarint(t.in)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(t.in, b)
	return b, err
}

func (t *tailReader) close() {
	t.zip.Close()
	_ = t.file.Close() // read only
}
