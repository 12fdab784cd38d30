//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// panicTime is how long after a disk was full the process may end for it: it
// writes down what all its goroutines do first, which takes long where much runs.
const panicTime = 15 * time.Second

// process is a process under fire, and those before it.
type process struct {
	name string
	log  *os.File
	// command makes what is started; started, where set, comes after each start.
	// Both have mu.
	command func() (*exec.Cmd, error)
	started func() error

	mu      sync.Mutex
	cmd     *exec.Cmd
	done    chan struct{} // closed once the process has ended; nil while there is none
	wanted  bool          // to run: restarted when it ends by itself
	mayEnd  bool          // an end by itself is no finding: its disk is full
	fullTo  time.Time     // or was until then
	crashes []string
}

// newProcess makes a process that does not run yet, and its log.
func newProcess(dir, name string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("creating log of %s: %w", name, err)
	}
	return &process{name: name, log: log}, nil
}

// unexpected are the ends that nobody had wanted.
func (p *process) unexpected() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.crashes)
}

// launch starts the process.
func (p *process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	return p.start()
}

func (p *process) start() error {
	cmd, err := p.command()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
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
			p.ended(done, err)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.cmd, p.done = cmd, done
	if p.started == nil {
		return nil
	}
	return p.started()
}

// ended restarts a process that ended by itself, after a moment.
func (p *process) ended(done chan struct{}, err error) {
	p.mu.Lock()
	wanted := p.wanted && p.done == done
	if wanted && !p.mayEnd && time.Since(p.fullTo) > panicTime {
		p.crashes = append(p.crashes, fmt.Sprintf("%s %s: %v", time.Now().UTC().Format(time.TimeOnly), p.name, err))
	}
	p.mu.Unlock()
	close(done)
	if !wanted {
		return
	}
	time.AfterFunc(500*time.Millisecond, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.wanted && p.done == done {
			if err := p.start(); err != nil {
				p.crashes = append(p.crashes, err.Error())
			}
		}
	})
}

func (p *process) setMayEnd(may bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mayEnd = may
	if !may {
		p.fullTo = time.Now()
	}
}

// gone returns a channel that is closed once the present process has ended.
func (p *process) gone() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// kill kills the process without warning.
func (p *process) kill() error { return p.end(syscall.SIGKILL, 10*time.Second) }

// terminate stops the process in order, and kills it if that takes too long.
func (p *process) terminate() error {
	err := p.end(syscall.SIGTERM, 30*time.Second)
	if err != nil {
		return errors.Join(err, p.end(syscall.SIGKILL, 10*time.Second))
	}
	return nil
}

func (p *process) end(sig syscall.Signal, limit time.Duration) error {
	p.mu.Lock()
	p.wanted = false
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	if done == nil {
		return nil
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s to %s: %w", sig, p.name, err)
	}
	select {
	case <-done:
	case <-time.After(limit):
		return fmt.Errorf("%s has not stopped %s after %s", p.name, limit, sig)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = nil
	return nil
}

// freeze stops the process in its tracks; thaw lets it go on.
func (p *process) freeze() error { return p.signal(syscall.SIGSTOP) }
func (p *process) thaw() error   { return p.signal(syscall.SIGCONT) }

func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s does not run", p.name)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("sending %s to %s: %w", sig, p.name, err)
	}
	return nil
}
