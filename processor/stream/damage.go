package stream

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// State on disk is a copy of the changelogs. Where its files turn out to be
// damaged nothing is mended: the directory is set aside for whoever wants to
// know why, and the state restored in full.

// damagedSuffix, with the time, ends the name of a directory that was set aside.
const damagedSuffix = ".damaged-"

// openError is an error of opening the files, as opposed to the directory.
type openError struct{ error }

func (e openError) Unwrap() error { return e.error }

// isDamage tells whether err, from opening a state directory, speaks of its
// content. What the operating system refuses (no permission, no space, no more
// file handles) would be refused to an empty directory too.
func isDamage(err error) bool {
	var e openError
	if !errors.As(err, &e) || errors.Is(err, fs.ErrPermission) {
		return false
	}
	var errno syscall.Errno
	return pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) ||
		!errors.As(err, &errno) || errno == syscall.EIO
}

// checkManifest returns an error where the list of the database's files can't
// be read to its end. Pebble takes the rest of it for a write that was cut
// short, as it may be; but if it is not, a table is lost while the position in
// the log of writes says that it is there.
func checkManifest(fs vfs.FS, dir string) error {
	desc, err := pebble.Peek(dir, fs)
	if err != nil || !desc.Exists {
		return err
	}
	f, err := fs.Open(desc.ManifestFilename)
	if err != nil {
		return err
	}
	defer f.Close()
	records := record.NewReader(f, 0)
	for {
		r, err := records.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		} else if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", desc.ManifestFilename, err)
		}
	}
}

// damage remembers that open files were found damaged.
type damage struct{ first atomic.Pointer[error] }

func (d *damage) note(err error) {
	err = fmt.Errorf("state store is damaged: %w", err)
	d.first.CompareAndSwap(nil, &err)
}

// seen passes err on, and notes it where it is damage.
func (d *damage) seen(err error) error {
	if pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		d.note(err)
	}
	return err
}

func (d *damage) found() error {
	if err := d.first.Load(); err != nil {
		return *err
	}
	return nil
}

func (d *pebbleDatabase) health() error { return d.damage.found() }

func (d *pebbleDatabase) repair() error {
	why := d.damage.found()
	if why == nil {
		return nil
	}
	if err := d.close(); err != nil {
		// Files that are damaged can't be expected to close cleanly.
		d.log.Warn("closing damaged state", "error", err)
	}
	if err := d.setAside(why); err != nil {
		return err
	}
	d.damage.first.Store(nil)
	return d.open()
}

// setAside renames the directory, and removes the one set aside before it:
// damage that comes back must not fill the disk.
func (d *pebbleDatabase) setAside(why error) error {
	parent, name := d.fs.PathDir(d.dir), d.fs.PathBase(d.dir)
	aside := d.dir + damagedSuffix + time.Now().UTC().Format("20060102T150405.000000")
	siblings, err := d.fs.List(parent)
	if err != nil {
		return fmt.Errorf("setting damaged state aside: %w", err)
	}
	for _, s := range siblings {
		if strings.HasPrefix(s, name+damagedSuffix) {
			err = errors.Join(err, d.fs.RemoveAll(d.fs.PathJoin(parent, s)))
		}
	}
	if err = errors.Join(err, d.fs.Rename(d.dir, aside)); err != nil {
		return fmt.Errorf("setting damaged state aside: %w", err)
	}
	d.log.Error("state on disk is damaged: set aside, restoring in full from the changelogs", "error", why, "kept_in", aside)
	return nil
}
