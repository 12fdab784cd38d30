package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// childEnv holds what a process that is started by this one does.
const childEnv = "POSTHORN_ANALYTICSBENCH"

// job is what a child does.
type job struct {
	Role    string // load, serve or broker
	Dir     string
	Load    loadSpec `json:",omitzero"`
	Brokers []string `json:",omitzero"`
}

// process is a child: the engine is in one of its own, so that its CPU can be
// told from that of what loads it, and since a process can open one directory.
type process struct {
	cmd  *exec.Cmd
	out  io.ReadCloser
	done chan struct{}
	code int // read it after done
}

// launch starts a child that dies with this process.
func launch(j job) (*process, error) {
	spec, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		// The kernel counts the thread that started a process as its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			// Not cmd.Wait, which would close the output under its reader.
			p.code = -1
			if state, err := p.cmd.Process.Wait(); err == nil {
				p.code = state.ExitCode()
			}
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", j.Role, err)
	}
	return p, nil
}

// ready reads what the child says once it works.
func (p *process) ready(into any) error {
	line, err := bufio.NewReader(p.out).ReadBytes('\n')
	if err != nil {
		return errors.New("the child process ended before it was ready; its log is above")
	}
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("reading what the child process says: %w", err)
	}
	return nil
}

// wait returns when the child has ended, with an error unless it ended well.
func (p *process) wait() error {
	<-p.done
	if p.code != 0 {
		return errors.New("the child process failed; its log is above")
	}
	return nil
}

// say tells the parent that this child works.
func say(what any) error { return json.NewEncoder(os.Stdout).Encode(what) }

// cpu is the processor time that the child has used, in seconds.
func (p *process) cpu() (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of the child process: %w", err)
	}
	// utime and stime are the 14th and 15th field; the second one, the name, may
	// hold spaces.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the CPU time of the child process: %q", stat)
	}
	ticks := 0.0
	for _, f := range fields[11:13] {
		n, err := strconv.ParseFloat(string(f), 64)
		if err != nil {
			return 0, fmt.Errorf("reading the CPU time of the child process: %w", err)
		}
		ticks += n
	}
	return ticks / 100, nil // USER_HZ
}

// memory is the most that the child has had in memory, in bytes; 0: unknown.
func (p *process) memory() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		var kb int64
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}

// stop ends the child in order, or after half a minute without one.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
