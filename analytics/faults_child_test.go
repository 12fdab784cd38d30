package analytics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics/faultproxy"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
	"github.com/posthorn/posthorn/internal/kafka"
)

// faultChild makes this binary run what its value orders.
const faultChild = "POSTHORN_TEST_FAULT_CHILD"

// faultOrder is what a child is to run: an engine, or else a sink.
type faultOrder struct {
	EngineDir string

	DSN     string
	Brokers []string
	// Fronts are the proxies in front of the brokers, by address.
	Fronts         map[string]string
	SessionTimeout time.Duration
	InstanceID     string
}

// runFaultChild runs until standard input ends.
func runFaultChild(text string) error {
	var order faultOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if order.EngineDir != "" {
		return runFaultEngine(ctx, order.EngineDir)
	}
	conn, err := Open(ctx, order.DSN)
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, orElse(order.Fronts[address], address))
	}
	for ctx.Err() == nil {
		s, err := NewSink(SinkConfig{
			Kafka: kafka.Config{Brokers: order.Brokers, Dial: dial}, Serde: serde, Conn: conn, Lanes: faultLanes,
			MaxRows: 3000, Interval: 100 * time.Millisecond, Idle: 200 * time.Millisecond, InsertTimeout: 1500 * time.Millisecond,
			SessionTimeout: order.SessionTimeout, InstanceID: order.InstanceID, RetryLimit: 400 * time.Millisecond,
			Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		if err != nil {
			return err
		}
		// ClickHouse or Kafka may be away just when it starts: it is started
		// again then, as whoever runs it does. What must not be passed over is
		// for the test to know.
		err = s.Run(ctx)
		if errors.Is(err, errFatal) || err == nil {
			return err
		}
		faultPause(ctx, 200*time.Millisecond)
	}
	return nil
}

func runFaultEngine(ctx context.Context, dir string) error {
	library, err := clickhouse.Fetch(ctx, clickhouse.FetchConfig{})
	if err != nil {
		return err
	}
	engine, err := clickhouse.Start(ctx, clickhouse.Config{Dir: dir, Library: library, MaxMemory: 2 << 30})
	if err != nil {
		return err
	}
	fmt.Println(engine.DSN())
	<-ctx.Done()
	return engine.Close()
}

func faultPause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// faultProcess is a child that may be killed.
type faultProcess struct {
	cmd    *exec.Cmd
	in     io.Closer
	out    *faultOutput
	told   atomic.Bool // to end
	exited chan struct{}
	err    error // once exited is closed
}

func startFaultChild(order faultOrder) (*faultProcess, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	p := &faultProcess{cmd: exec.Command(os.Args[0]), out: &faultOutput{}, exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), faultChild+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// kill ends it by force.
func (p *faultProcess) kill() {
	p.told.Store(true)
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.exited
}

// stop ends it in good order.
func (p *faultProcess) stop() error {
	p.told.Store(true)
	_ = p.in.Close()
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // says where it stands
		<-p.exited
		return fmt.Errorf("a process does not stop\n%s", p.out)
	}
	if p.err != nil {
		return fmt.Errorf("a process ended badly: %w\n%s", p.err, p.out)
	}
	return nil
}

// ended tells of one that was not told to end.
func (p *faultProcess) ended() error {
	if p.told.Load() {
		return nil
	}
	select {
	case <-p.exited:
		return fmt.Errorf("a process ended by itself: %v\n%s", p.err, p.out)
	default:
		return nil
	}
}

// faultOutput keeps what a process has written, for as long as it is not much.
type faultOutput struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *faultOutput) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text.Len() < 1<<20 {
		t.text.Write(b)
	}
	return len(b), nil
}

func (t *faultOutput) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// faultEngine is ClickHouse: a process that can be killed, or a server that
// somebody else runs.
type faultEngine struct {
	dsn     string
	dir     string
	process *faultProcess // nil: somebody else's
}

func newFaultEngine(t *testing.T) *faultEngine {
	t.Helper()
	if server := os.Getenv("POSTHORN_TEST_CLICKHOUSE"); server != "" {
		p, err := faultproxy.New(server)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		return &faultEngine{dsn: testDSN(t)}
	}
	e := &faultEngine{dir: t.TempDir()}
	if err := e.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.process.kill() })
	return e
}

func (e *faultEngine) start(ctx context.Context) (err error) {
	if e.process, err = startFaultChild(faultOrder{EngineDir: e.dir}); err != nil {
		return err
	}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; {
		if err := e.process.ended(); err != nil {
			return err
		}
		if line, _, ok := strings.Cut(e.process.out.String(), "\n"); ok && strings.HasPrefix(line, "http://") {
			e.dsn = line
			return nil
		}
		faultPause(ctx, 20*time.Millisecond)
	}
	return fmt.Errorf("the engine does not start\n%s", e.process.out)
}
