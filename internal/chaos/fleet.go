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
	"sync"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
)

// fleet is the worker processes and what stands around each: its proxies and
// its disk.
type fleet struct {
	dir      string
	brokers  []string
	workers  []*worker
	mu       sync.Mutex
	protocol kafka.Protocol

	// As in workerOrder.
	registry       string
	absences       bool
	commitInterval time.Duration
}

func newFleet(dir string, brokers []string, n int, protocol kafka.Protocol) (*fleet, error) {
	f := &fleet{dir: dir, brokers: brokers, protocol: protocol}
	for i := range n {
		name := fmt.Sprintf("w%d", i+1)
		w := &worker{fleet: f, disk: newDisk(filepath.Join(dir, name), diskBytes)}
		var err error
		if w.process, err = newProcess(dir, name); err != nil {
			return f, err
		}
		w.command, w.started = w.makeCommand, w.order
		f.workers = append(f.workers, w)
		if w.proxies, err = newProxies(brokers); err != nil {
			return f, err
		}
		if err = w.disk.mount(); err != nil {
			return f, err
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
		all = append(all, w.unexpected()...)
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
		errs = append(errs, w.log.Close(), w.disk.unmount())
	}
	return errors.Join(errs...)
}

// worker is one worker process and those before it. One fault at a time has it.
type worker struct {
	*process
	fleet   *fleet
	proxies *proxies
	disk    *disk

	off   time.Duration  // of its clock; guarded by the process's mu
	stdin io.WriteCloser // of the process that runs
}

func (w *worker) front() *proxies { return w.proxies }

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

// makeCommand is this program again, as a worker.
func (w *worker) makeCommand() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "worker")
	w.stdin, err = cmd.StdinPipe()
	return cmd, err
}

// order tells a worker that was started what to do.
func (w *worker) order() error {
	return json.NewEncoder(w.stdin).Encode(workerOrder{
		Name: w.name, Protocol: w.fleet.currentProtocol(), StateDir: w.disk.dir, Registry: w.fleet.registry,
		Absences: w.fleet.absences, CommitInterval: w.fleet.commitInterval,
		Brokers: w.fleet.brokers, Proxies: w.proxies.addresses(), clockOrder: clockOrder{w.off},
	})
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
