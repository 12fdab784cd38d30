package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/posthorn/posthorn/internal/embedded/broker"
)

// What a child process learns from its environment.
const (
	childEnv   = "POSTHORN_INGESTBENCH_ROLE"    // embedded, or a variant
	brokersEnv = "POSTHORN_INGESTBENCH_BROKERS" // a variant's brokers
	dirEnv     = "POSTHORN_INGESTBENCH_DIR"     // the embedded broker's data
	profileEnv = "POSTHORN_INGESTBENCH_PROFILE" // file for a CPU profile
)

const roleBroker = "embedded"

// process is a server or a broker in a process of its own.
type process struct {
	addr string
	cmd  *exec.Cmd
	in   io.Closer // ends it
}

// start runs this program again in another role and waits until it listens.
func start(role string, env ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self)}
	p.cmd.Env = append(append(os.Environ(), childEnv+"="+role), env...)
	p.cmd.Stderr = os.Stderr
	// Its own group: an interrupt is for this process, which ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: it ended", role), p.stop())
	}
	p.addr = strings.TrimSpace(line)
	return p, nil
}

// stop ends the process in order: its standard input ends.
func (p *process) stop() error {
	p.in.Close()
	kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	return p.cmd.Wait()
}

func (p *process) cpu() (time.Duration, error) { return cpuTime(p.cmd.Process.Pid) }

// cpuTime is what all threads of a process have used, in the system too.
func cpuTime(pid int) (time.Duration, error) {
	// The clock's id, as clock_getcpuclockid(3) makes it.
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// child plays a role until its standard input ends, which it does when the parent
// dies too.
func child(ctx context.Context, role string) error {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if file := os.Getenv(profileEnv); file != "" {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if role == roleBroker {
		b, err := broker.Start(ctx, broker.Config{Dir: os.Getenv(dirEnv), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		fmt.Println(b.Addrs()[0])
		<-ctx.Done()
		return b.Close()
	}
	return serve(ctx, role, strings.Split(os.Getenv(brokersEnv), ","))
}

// profileOf is the environment of a child that is to be profiled.
func profileOf(dir, name string) []string {
	if dir == "" {
		return nil
	}
	return []string{profileEnv + "=" + filepath.Join(dir, name+".cpu")}
}
