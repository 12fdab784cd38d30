package spool

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const killedDir = "POSTHORN_TEST_SPOOL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		appendUntilKilled(dir)
		return
	}
	os.Exit(m.Run())
}

// appendUntilKilled appends from many goroutines, and says of each record that it
// is there.
func appendUntilKilled(dir string) {
	s, err := Open(Config{Dir: dir, SegmentBytes: 256 << 10})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var mu sync.Mutex
	for w := range 32 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				if err := s.Append([]byte(id + " " + strings.Repeat("x", i%3000))); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				mu.Lock()
				_, err := fmt.Println("stored", id)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
	select {}
}

// TestKilled: what was acknowledged before SIGKILL is there afterwards, however
// often that happens.
func TestKilled(t *testing.T) {
	rounds, least := 5, 500
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	var acked []string
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			id, ok := strings.CutPrefix(lines.Text(), "stored ")
			if !ok {
				t.Error(lines.Text())
				break
			}
			acked = append(acked, id)
			if n++; n == least+round*97 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err == nil || n < least {
			t.Fatalf("round %d ended by itself after %d: %v", round, n, err)
		}
	}
	s := open(t, Config{Dir: dir})
	if st := s.Stats(); st.DamagedBytes != 0 {
		t.Errorf("a kill has damaged the spool: %+v", st)
	}
	got := map[string]int{}
	for _, r := range drained(t, s, &sink{}) {
		id, rest, _ := strings.Cut(r, " ")
		if i, err := strconv.Atoi(id[strings.LastIndex(id, "-")+1:]); err != nil || rest != strings.Repeat("x", i%3000) {
			t.Errorf("record %s has changed", id)
		}
		got[id]++
	}
	for _, id := range acked {
		if got[id] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", id, got[id])
		}
	}
	t.Logf("%d acknowledged before %d kills, %d found", len(acked), rounds, len(got))
}

// BenchmarkAppend is what a webhook of 1 KiB waits for while 64 come at once.
func BenchmarkAppend(b *testing.B) {
	s := open(b, Config{MaxBytes: 64 << 30})
	record := make([]byte, 1024)
	b.SetBytes(int64(len(record)))
	var wg sync.WaitGroup
	next := make(chan struct{}, 1024)
	start := time.Now()
	for range 64 {
		wg.Go(func() {
			for range next {
				if err := s.Append(record); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "records/s")
}
