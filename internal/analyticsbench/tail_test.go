package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tail")
	w, err := createTail(path, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		records := []*kgo.Record{
			{Topic: "a", Partition: 3, Key: []byte("k"), Value: fmt.Append(nil, i)},
			{Topic: "left out", Value: []byte("x")},
			{Topic: "b", Partition: 11, Value: make([]byte, i*1000)},
		}
		if err := w.add(int64(i), records); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	r, err := openTail(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for i := range 100 {
		events, records, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if events != int64(i) || len(records) != 2 {
			t.Fatalf("%d events, %d records", events, len(records))
		}
		if a := records[0]; a.Topic != "a" || a.Partition != 3 || string(a.Key) != "k" || string(a.Value) != fmt.Sprint(i) {
			t.Errorf("%+v", a)
		}
		if b := records[1]; b.Topic != "b" || b.Partition != 11 || len(b.Value) != i*1000 {
			t.Errorf("%+v", b)
		}
	}
	if _, _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
