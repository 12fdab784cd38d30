package stream

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskCheckInterval is how often the space left for state is looked at.
const diskCheckInterval = time.Second

// diskSpace guards the state's disk: Pebble can't go on after a write that
// failed, so a stage stops before that, says why, and goes on once there is
// room again.
type diskSpace struct {
	dir   string
	least uint64

	mu      sync.Mutex // the loop and the restores ask
	checked time.Time
	err     error
}

// check returns an error while less space is free than must be.
func (d *diskSpace) check() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.checked) < diskCheckInterval {
		return d.err
	}
	d.checked, d.err = time.Now(), nil
	usage, err := vfs.Default.GetDiskUsage(d.dir)
	if err != nil {
		d.err = fmt.Errorf("looking at the free space of the state directory: %w", err)
	} else if usage.AvailBytes < d.least {
		d.err = fmt.Errorf("the disk of state directory %s is full: %d MiB free, at least %d MiB are needed; make room there",
			d.dir, usage.AvailBytes>>20, d.least>>20)
	}
	return d.err
}
