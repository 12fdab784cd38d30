package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestFullFileSystem fills a real one.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a file system of its own can't be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(Config{Dir: filepath.Join(dir, "spool"), SegmentBytes: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var mu sync.Mutex
	var acked []string
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				r := fmt.Sprintf("%d/%d %s", w, i, strings.Repeat("x", 777))
				if err := s.Append([]byte(r)); err != nil {
					if !errors.Is(err, ErrDiskFull) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				acked = append(acked, r)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(acked) < 1000 {
		t.Errorf("only %d records on 1 MiB", len(acked))
	}
	if got := drained(t, s, &sink{}); missing(acked, got) > 0 {
		t.Errorf("%d of %d are missing", missing(acked, got), len(acked))
	}
	until(t, func() bool { return s.Append([]byte("again")) == nil })
}
