package stream_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
)

// The environment of a worker that runs in a process of its own.
const (
	envBrokers = "STREAM_TEST_BROKERS"
	envDir     = "STREAM_TEST_DIR"
	envID      = "STREAM_TEST_ID"
	envStatic  = "STREAM_TEST_INSTANCE"
	envName    = "STREAM_TEST_NAME"
	envDelay   = "STREAM_TEST_DELAY"
)

// TestWorkerProcess is the worker of [process]; by itself it does nothing.
func TestWorkerProcess(t *testing.T) {
	if os.Getenv(envBrokers) == "" {
		t.Skip("runs for other tests, as a process that they kill")
	}
	stage := countStage(nil)
	if name := os.Getenv(envName); name != "" {
		delay, err := time.ParseDuration(os.Getenv(envDelay))
		if err != nil {
			t.Fatal(err)
		}
		stage = tallyStage(name, delay)
	}
	w, err := stream.NewWorker(stream.WorkerConfig{
		Stage: stage, Kafka: kafka.Config{Brokers: strings.Split(os.Getenv(envBrokers), ",")},
		TransactionalID: os.Getenv(envID), InstanceID: os.Getenv(envStatic), StateDir: os.Getenv(envDir), CommitInterval: 20 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// process starts a worker in a process of its own, which is killed at the end
// of the test. Its log goes to log.
func process(t *testing.T, brokers []string, log io.Writer, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestWorkerProcess$", "-test.timeout=5m")
	cmd.Env = append(append(os.Environ(), envBrokers+"="+strings.Join(brokers, ",")), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

// crashAtCommit kills a worker at its tenth commit: with the commit done, but
// not known to the worker, or with nothing but the request under way.
func crashAtCommit(t *testing.T, done bool) {
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	other, err := kgo.NewClient(kgo.SeedBrokers(c.cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	dir := t.TempDir()
	var commits atomic.Int32
	var wrote atomic.Bool
	c.fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			if info := c.fake.TopicIDInfo(topic.TopicID); topic.Topic == "out" || info != nil && info.Topic == "out" {
				wrote.Store(true)
			}
		}
		return nil, nil, false
	})
	var before, after int // outputs that are visible
	worker := make(chan *exec.Cmd, 1)
	crashed := make(chan struct{})
	c.onCommit("count", func(req *kmsg.EndTxnRequest) (kmsg.Response, error, bool) {
		// One that holds outputs, not markers alone.
		if !wrote.Swap(false) || commits.Add(1) != 10 {
			return nil, nil, false
		}
		c.fake.SleepControl(func() {
			defer close(crashed)
			before = len(c.records("out"))
			cmd := <-worker
			if done {
				copied := *req
				if resp, err := copied.RequestWith(context.Background(), other); err != nil || resp.ErrorCode != 0 {
					t.Errorf("ending in its place: %v, %v", resp, err)
				}
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			after = len(c.records("out"))
		})
		return nil, errors.New("gone"), true
	})
	worker <- process(t, c.cfg.Brokers, &lockedBuffer{}, envDir+"="+dir, envID+"=count", envStatic+"=same")
	list, want := keys(1000, 50)
	total := uint64(0)
	for running := true; running; total++ {
		c.produce("in", list...)
		select {
		case <-crashed:
			running = false
		default:
		}
	}
	if visible := after > before; visible != done {
		t.Errorf("%d outputs before the crash, %d after", before, after)
	}
	c.startWorker(stream.WorkerConfig{Stage: countStage(nil), TransactionalID: "count", InstanceID: "same", StateDir: dir})
	c.totals(times(want, total))
}

func TestCrashAfterTheCommitBeforeTheLocalWrite(t *testing.T) {
	t.Parallel()
	crashAtCommit(t, true)
}

func TestCrashBeforeTheCommit(t *testing.T) {
	t.Parallel()
	crashAtCommit(t, false)
}
