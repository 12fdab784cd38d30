package stream_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/posthorn/posthorn/processor/stream"
)

// smallDisk mounts a disk of 128 MiB.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128m"); err != nil {
		if errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "" {
			t.Skip("not tested on a full disk: only root may mount a small one")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The disk of the state directory fills up. The stage stops, says so, and goes
// on by itself once there is room, with nothing lost.
func TestDiskFullInTheStateDirectory(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	y := newTally(t, brokersOf["kfake"](t))
	w, stop := y.startWorker(stream.WorkerConfig{
		Stage: tallyStage(y.name, 0), TransactionalID: "disk", StateDir: filepath.Join(dir, "state"), MinFreeBytes: 32 << 20,
	})
	defer stop()
	list, want := keys(1000, 50)
	y.produce(y.in(), list...)
	y.check(want)

	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	free := int(fs.Bavail) * int(fs.Bsize)
	if err := os.WriteFile(ballast, make([]byte, free-16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the stage to stop", func() bool {
		s := w.Status()
		return !s.Ready && strings.Contains(s.LastError, dir) && strings.Contains(s.LastError, "is full")
	})
	y.produce(y.in(), list...)
	commits := w.Status().Commits
	await(t, "another look at the disk", func() bool { return w.Status().Aborts > 3 })
	if n := w.Status().Commits; n != commits {
		t.Errorf("%d commits with a full disk", n-commits)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	y.check(times(want, 2))
	await(t, "the stage to be ready", func() bool { return w.Status().Ready })
}

// A worker whose disk is full from the start must not restore state onto it:
// the write that fails would end the process.
func TestRestoreWaitsForRoomOnTheDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	y := newTally(t, brokersOf["kfake"](t))
	list, want := keys(1000, 50)
	_, stop := y.startWorker(stream.WorkerConfig{Stage: tallyStage(y.name, 0), TransactionalID: "before"})
	y.produce(y.in(), list...)
	y.check(want)
	stop()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 124<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	w, stop := y.startWorker(stream.WorkerConfig{
		Stage: tallyStage(y.name, 0), TransactionalID: "disk", StateDir: filepath.Join(dir, "state"), MinFreeBytes: 32 << 20,
	})
	defer stop()
	y.produce(y.in(), list...)
	await(t, "the worker to say why it waits", func() bool {
		s := w.Status()
		return !s.Ready && strings.Contains(s.LastError, "restoring") && strings.Contains(s.LastError, "is full")
	})
	for _, task := range w.Status().Tasks {
		if !task.Restoring {
			t.Errorf("task %d works without state", task.Partition)
		}
	}
	if n := w.Status().Commits; n > 0 {
		t.Errorf("%d commits without state", n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	y.check(times(want, 2))
}
