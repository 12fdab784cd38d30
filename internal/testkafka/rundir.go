package testkafka

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const runPrefix = "posthorn-testkafka-run-"

// makeRunDir makes the temporary directory of a cluster, locked as long as the
// process lives, and removes those of processes that died without cleaning up.
func makeRunDir() (string, *os.File, error) {
	sweepRunDirs()
	dir, err := os.MkdirTemp("", runPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("making Kafka's directory: %w", err)
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return "", nil, fmt.Errorf("locking Kafka's directory: %w", err)
	}
	return dir, lock, nil
}

// sweepRunDirs does its best: what it cannot remove, the next one may.
func sweepRunDirs() {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), runPrefix+"*", "lock"))
	if err != nil {
		return
	}
	for _, path := range locks {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		// Just created and not locked yet looks the same as dead: a lock file
		// that is moments old is left alone.
		if !fresh(f) && syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(path))
		}
		f.Close()
	}
}

func fresh(f *os.File) bool {
	info, err := f.Stat()
	return err != nil || time.Since(info.ModTime()) < time.Minute
}
