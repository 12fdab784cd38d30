package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// directory is a broker's data directory:
//
//	lock      held by the running process, whose id it contains
//	epoch     the number of starts so far
//	port      the port of the first start
//	running   there while the broker runs, and after it stopped uncleanly
//	kafka/    kfake's own files
//	backup/   those files from before a compaction that did not end
//	compacted the size of compacted topics after the last compaction
type directory string

func (d directory) path(name string) string { return filepath.Join(string(d), name) }
func (d directory) data() string            { return d.path("kafka") }

// acquire makes the directory and locks it until the process ends.
func (d directory) acquire() (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := os.ReadFile(d.path("lock")) // for the message only
		f.Close()
		return nil, fmt.Errorf("the directory is in use by process %s", strings.TrimSpace(string(holder)))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking: %w", err)
	}
	return f, nil
}

// nextEpoch counts a start, on disk before it returns.
func (d directory) nextEpoch() (int64, error) {
	last, err := d.readInt("epoch")
	if err != nil {
		return 0, err
	}
	return last + 1, d.write("epoch", strconv.FormatInt(last+1, 10))
}

// port returns the port to listen on, 0 for any.
func (d directory) port(configured int) (int, error) {
	if configured != 0 {
		return configured, nil
	}
	port, err := d.readInt("port")
	return int(port), err
}

// readInt reads a number; a file that is not there holds 0.
func (d directory) readInt(name string) (int64, error) {
	b, err := os.ReadFile(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", d.path(name), err)
	}
	return n, nil
}

func (d directory) has(name string) (bool, error) {
	_, err := os.Stat(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// write replaces a small file, on disk before it returns: after a crash it
// holds the old or the new content.
func (d directory) write(name, content string) error {
	f, err := os.Create(d.path(name + ".new"))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(content + "\n"); err != nil {
		return fmt.Errorf("writing %s: %w", d.path(name), err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing %s: %w", d.path(name), err)
	}
	if err := os.Rename(d.path(name+".new"), d.path(name)); err != nil {
		return err
	}
	return syncFile(string(d))
}

func (d directory) remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil {
		return err
	}
	return syncFile(string(d))
}

// syncFile waits until a file, or a directory's list of names, is on disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}
