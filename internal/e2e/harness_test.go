// Package e2e runs the posthorn binary as its users do and checks what comes
// out at the other end.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "posthorn-e2e-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "posthorn")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/posthorn/posthorn/cmd/posthorn")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building posthorn: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// process is a child that runs a posthorn command.
type process struct {
	t    *testing.T
	name string
	args []string
	log  *os.File

	cmd  *exec.Cmd
	done chan error
}

// start runs `posthorn args...`; its output goes to a file that is shown when
// the test fails, and is kept in the folder POSTHORN_E2E_LOGS if that is set.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, name: name, args: args, log: log}
	p.launch()
	t.Cleanup(func() {
		p.stop()
		text := p.output()
		if t.Failed() {
			t.Logf("---- %s ----\n%s", name, tail(text, 6000))
		}
		if dir := os.Getenv("POSTHORN_E2E_LOGS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".log"), text, 0o600); err != nil {
				t.Error(err)
			}
		}
		log.Close()
	})
	return p
}

// output is what the process and those killed before it have printed.
func (p *process) output() []byte {
	p.t.Helper()
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		p.t.Error(err)
	}
	return text
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

func (p *process) launch() {
	p.t.Helper()
	bin, err := build()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(bin, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(p.cmd, p.done)
}

// kill kills the process without warning. It must not have ended by itself.
func (p *process) kill() {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.cmd = nil
		p.t.Fatalf("%s ended by itself: %v", p.name, err)
	default:
	}
	p.cmd.Process.Kill()
	<-p.done
	p.cmd = nil
}

// stop ends the process in order.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("stopping %s: %v", p.name, err)
		}
	case <-time.After(30 * time.Second):
		p.t.Errorf("%s did not stop within 30 s", p.name)
		p.cmd.Process.Kill()
		<-p.done
	}
	p.cmd = nil
}

// run runs a posthorn command to its end and returns what it printed.
func run(t *testing.T, limit time.Duration, args ...string) (string, error) {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := exec.CommandContext(ctx, bin, args...).CombinedOutput()
	return string(out), err
}

// address returns a loopback address that was free a moment ago.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eventually calls check until it returns nil.
func eventually(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

func httpOK(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode != http.StatusOK {
		return errors.Join(err, fmt.Errorf("%s: %s: %s", url, resp.Status, body))
	}
	return err
}
