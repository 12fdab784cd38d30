package spill_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/internal/spill"
)

type item struct {
	kind  byte
	value []byte
}

// What is put is there, each key's values in one bucket and in their order.
func TestEachKeyStaysTogetherInOrder(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		files, err := spill.Create(dir, "x", rapid.IntRange(1, 5).Draw(t, "buckets"))
		if err != nil {
			t.Fatal(err)
		}
		defer files.Close()
		want := map[byte][]item{}
		for range rapid.IntRange(0, 200).Draw(t, "records") {
			key := rapid.Byte().Draw(t, "key") % 8
			value := append([]byte{key}, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")...)
			it := item{rapid.Byte().Draw(t, "kind"), value}
			if err := files.Put([]byte{key}, it.kind, it.value); err != nil {
				t.Fatal(err)
			}
			want[key] = append(want[key], it)
		}
		at := map[byte]int{}
		for i := range files.Buckets() {
			err := files.Each(i, func(kind byte, value []byte) error {
				key := value[0]
				if b, seen := at[key]; seen && b != i {
					t.Errorf("key %d is in buckets %d and %d", key, b, i)
				}
				at[key] = i
				if len(want[key]) == 0 || want[key][0].kind != kind || !bytes.Equal(want[key][0].value, value) {
					t.Fatalf("key %d: kind %d value %x out of order", key, kind, value)
				}
				want[key] = want[key][1:]
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for key, rest := range want {
			if len(rest) > 0 {
				t.Errorf("%d values of key %d are missing", len(rest), key)
			}
		}
	})
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	if _, err := spill.Create(filepath.Join(dir, "none"), "x", 1); err == nil {
		t.Error("a missing folder is fine")
	}
	files, err := spill.Create(dir, "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	if _, err := spill.Create(dir, "x", 1); err == nil {
		t.Error("files that are there are written over")
	}
	if err := files.Put(nil, 1, bytes.Repeat([]byte("0123456789"), 10_000)); err != nil {
		t.Fatal(err)
	}
	if err := files.Each(0, func(byte, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "x-000"), 100); err != nil {
		t.Fatal(err)
	}
	if err := files.Each(0, func(byte, []byte) error { return nil }); err == nil {
		t.Error("a file that was cut off is read as whole")
	}
}
