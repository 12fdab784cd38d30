//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// diskBytes is the size of a worker's disk: the state of all stages many times
// over.
const diskBytes = 2 << 30

// disk is where a process keeps its state: a file system of its own in memory,
// which can be filled. Where mounting is not permitted it is a plain folder.
type disk struct {
	dir     string
	bytes   int64
	old     string // an earlier copy of the state
	mounted bool
}

func newDisk(path string, bytes int64) *disk {
	return &disk{dir: filepath.Join(path, "state"), old: filepath.Join(path, "old"), bytes: bytes}
}

func (d *disk) mount() error {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d", d.bytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		if os.Getenv("CI") != "" {
			return errors.New("mounting a file system in memory is not permitted: full disks can't be tested")
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("mounting a file system in memory on %s: %w", d.dir, err)
	}
	d.mounted = true
	return nil
}

func (d *disk) unmount() error {
	if !d.mounted {
		return nil
	}
	if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting %s: %w", d.dir, err)
	}
	return nil
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes all space that is left.
func (d *disk) fill() error {
	f, err := os.Create(d.ballast())
	if err != nil {
		return fmt.Errorf("filling disk: %w", err)
	}
	defer f.Close()
	var at int64
	for step := int64(64 << 20); step >= 4096; {
		switch err := syscall.Fallocate(int(f.Fd()), 0, at, step); {
		case err == nil:
			at += step
		case errors.Is(err, syscall.ENOSPC):
			step /= 2
		case errors.Is(err, syscall.EINTR):
		default:
			return fmt.Errorf("filling disk: %w", err)
		}
	}
	return nil
}

// free gives the space back.
func (d *disk) free() error { return os.Remove(d.ballast()) }

// wipe deletes the state. The worker must be down.
func (d *disk) wipe() error {
	entries, err := os.ReadDir(d.dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(d.dir, e.Name())))
	}
	return err
}

// keep copies the state aside, for putBack. The worker must be down.
func (d *disk) keep() error {
	if err := os.RemoveAll(d.old); err != nil {
		return err
	}
	return os.CopyFS(d.old, os.DirFS(d.dir))
}

// putBack replaces the state by the copy.
func (d *disk) putBack() error {
	if err := d.wipe(); err != nil {
		return err
	}
	return os.CopyFS(d.dir, os.DirFS(d.old))
}
