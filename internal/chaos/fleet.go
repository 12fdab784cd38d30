//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
)

// panicTime is how long after a disk was full the process may end for it: it
// writes down what all its goroutines do first.
const panicTime = 5 * time.Second

// fleet is the worker processes and what stands around each: its proxies and
// its disk.
type fleet struct {
	dir      string
	brokers  []string
	workers  []*worker
	mu       sync.Mutex
	protocol kafka.Protocol
}

func newFleet(dir string, brokers []string, n int, protocol kafka.Protocol) (*fleet, error) {
	f := &fleet{dir: dir, brokers: brokers, protocol: protocol}
	for i := range n {
		name := fmt.Sprintf("w%d", i+1)
		w := &worker{fleet: f, name: name, disk: newDisk(filepath.Join(dir, name))}
		f.workers = append(f.workers, w)
		var err error
		if w.proxies, err = newProxies(brokers); err != nil {
			return f, err
		}
		if err = w.disk.mount(); err != nil {
			return f, err
		}
		if !w.disk.mounted && os.Getenv("CI") != "" {
			return f, errors.New("mounting a file system in memory is not permitted: full disks can't be tested")
		}
		if w.log, err = os.Create(filepath.Join(dir, name+".log")); err != nil {
			return f, fmt.Errorf("creating log of %s: %w", name, err)
		}
	}
	return f, nil
}

func (f *fleet) setProtocol(p kafka.Protocol) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.protocol = p
}

func (f *fleet) currentProtocol() kafka.Protocol {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.protocol
}

// crashes are the unexpected ends of all workers.
func (f *fleet) crashes() (all []string) {
	for _, w := range f.workers {
		w.mu.Lock()
		all = append(all, w.crashes...)
		w.mu.Unlock()
	}
	return all
}

func (f *fleet) close() error {
	var errs []error
	for _, w := range f.workers {
		errs = append(errs, w.terminate())
		if w.proxies != nil {
			w.proxies.close()
		}
		if w.log != nil {
			errs = append(errs, w.log.Close())
		}
		errs = append(errs, w.disk.unmount())
	}
	return errors.Join(errs...)
}

// worker is one worker process and those before it. One fault at a time has it.
type worker struct {
	fleet   *fleet
	name    string
	proxies *proxies
	disk    *disk
	log     *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	done    chan struct{} // closed once the process has ended; nil while there is none
	wanted  bool          // to run: restarted when it ends by itself
	mayEnd  bool          // an end by itself is no finding: its disk is full
	fullTo  time.Time     // or was until then
	crashes []string
	off     time.Duration // of its clock
}

// setClock puts the worker's clock off the true time.
func (w *worker) setClock(off time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = off
	if w.done == nil {
		return nil
	}
	return json.NewEncoder(w.stdin).Encode(clockOrder{off})
}

// launch starts the process.
func (w *worker) launch() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = true
	return w.start()
}

func (w *worker) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "worker")
	cmd.Stdout, cmd.Stderr = w.log, w.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	done := make(chan struct{})
	started := make(chan error)
	go func() {
		// The kernel counts the thread that started a process as its parent: it
		// must live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			err = cmd.Wait()
			w.ended(done, err)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", w.name, err)
	}
	w.cmd, w.stdin, w.done = cmd, stdin, done
	return json.NewEncoder(stdin).Encode(workerOrder{
		Name: w.name, Protocol: w.fleet.currentProtocol(), StateDir: w.disk.dir,
		Brokers: w.fleet.brokers, Proxies: w.proxies.addresses(), clockOrder: clockOrder{w.off},
	})
}

// ended restarts a process that ended by itself, after a moment.
func (w *worker) ended(done chan struct{}, err error) {
	w.mu.Lock()
	wanted := w.wanted && w.done == done
	if wanted && !w.mayEnd && time.Since(w.fullTo) > panicTime {
		w.crashes = append(w.crashes, fmt.Sprintf("%s %s: %v", time.Now().UTC().Format(time.TimeOnly), w.name, err))
	}
	w.mu.Unlock()
	close(done)
	if !wanted {
		return
	}
	time.AfterFunc(500*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.wanted && w.done == done {
			if err := w.start(); err != nil {
				w.crashes = append(w.crashes, err.Error())
			}
		}
	})
}

func (w *worker) setMayEnd(may bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mayEnd = may
	if !may {
		w.fullTo = time.Now()
	}
}

// gone returns a channel that is closed once the present process has ended.
func (w *worker) gone() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// kill kills the process without warning.
func (w *worker) kill() error { return w.end(syscall.SIGKILL, 10*time.Second) }

// terminate stops the process in order, and kills it if that takes too long.
func (w *worker) terminate() error {
	err := w.end(syscall.SIGTERM, 30*time.Second)
	if err != nil {
		return errors.Join(err, w.end(syscall.SIGKILL, 10*time.Second))
	}
	return nil
}

func (w *worker) end(sig syscall.Signal, limit time.Duration) error {
	w.mu.Lock()
	w.wanted = false
	cmd, done, stdin := w.cmd, w.done, w.stdin
	w.mu.Unlock()
	if done == nil {
		return nil
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s to %s: %w", sig, w.name, err)
	}
	select {
	case <-done:
	case <-time.After(limit):
		return fmt.Errorf("%s has not stopped %s after %s", w.name, limit, sig)
	}
	stdin.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = nil
	return nil
}

// freeze stops the process in its tracks; thaw lets it go on.
func (w *worker) freeze() error { return w.signal(syscall.SIGSTOP) }
func (w *worker) thaw() error   { return w.signal(syscall.SIGCONT) }

func (w *worker) signal(sig syscall.Signal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cmd == nil {
		return fmt.Errorf("%s does not run", w.name)
	}
	if err := w.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("sending %s to %s: %w", sig, w.name, err)
	}
	return nil
}

// terminateAll stops workers at the same time.
func terminateAll(ws []*worker) error {
	errs := make([]error, len(ws))
	var all sync.WaitGroup
	for i, w := range ws {
		all.Go(func() { errs[i] = w.terminate() })
	}
	all.Wait()
	return errors.Join(errs...)
}

func launchAll(ws []*worker) error {
	var errs []error
	for _, w := range ws {
		errs = append(errs, w.launch())
	}
	return errors.Join(errs...)
}

// until polls check until it is true.
func until(ctx context.Context, limit time.Duration, what string, check func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !check(ctx) {
		if wait(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("waited in vain %s for %s", limit, what)
		}
	}
	return nil
}
