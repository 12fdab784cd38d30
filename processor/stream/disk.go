package stream

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskSpace guards the state's disk: Pebble can't go on after a write that
// failed, so a stage stops before that, says why, and goes on once there is
// room again. It is asked before every write.
type diskSpace struct {
	dir   string
	least uint64

	mu     sync.Mutex
	looked time.Time
	full   error // what it saw then
}

// lookInterval is shorter than a disk takes to fill by the least that is free.
const lookInterval = 50 * time.Millisecond

// check returns an error while less space is free than must be.
func (d *diskSpace) check() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.looked) >= lookInterval {
		d.looked, d.full = now, d.look()
	}
	return d.full
}

func (d *diskSpace) look() error {
	usage, err := vfs.Default.GetDiskUsage(d.dir)
	if err != nil {
		return fmt.Errorf("looking at the free space of the state directory: %w", err)
	}
	if usage.AvailBytes < d.least {
		return fmt.Errorf("the disk of state directory %s is full: %d MiB free, at least %d MiB are needed; make room there",
			d.dir, usage.AvailBytes>>20, d.least>>20)
	}
	return nil
}
