package analytics

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// childDir makes this binary run engine and sink, as the all-in-one does, until
// it is killed.
//
// With childDSN it runs only the sink, on an engine of another process.
const (
	childDir     = "POSTHORN_TEST_SINK_DIR"
	childDSN     = "POSTHORN_TEST_SINK_DSN"
	childBrokers = "POSTHORN_TEST_SINK_BROKERS"
	// childSession is its session timeout, childInstance makes it static.
	childSession  = "POSTHORN_TEST_SINK_SESSION"
	childInstance = "POSTHORN_TEST_SINK_INSTANCE"
)

func TestMain(m *testing.M) {
	if dir, dsn := os.Getenv(childDir), os.Getenv(childDSN); dir != "" || dsn != "" {
		if err := child(dir, dsn, os.Getenv(childBrokers)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		// With the race detector os.Exit runs C's exit handlers, the engine
		// library's among them, which do not outlive its threads.
		syscall.Exit(0)
	}
	if order := os.Getenv(faultChild); order != "" {
		if err := runFaultChild(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		syscall.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs until its standard input ends, then stops in good order.
func child(dir, dsn, brokers string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if dsn == "" {
		library, err := clickhouse.Fetch(ctx, clickhouse.FetchConfig{})
		if err != nil {
			return err
		}
		engine, err := clickhouse.Start(ctx, clickhouse.Config{Dir: dir, Library: library, MaxMemory: 4 << 30})
		if err != nil {
			return err
		}
		dsn = engine.DSN()
	}
	conn, err := Open(ctx, dsn)
	if err != nil {
		return err
	}
	if _, err := Migrate(ctx, conn); err != nil {
		return err
	}
	session, err := time.ParseDuration(orElse(os.Getenv(childSession), "500ms"))
	if err != nil {
		return err
	}
	s, err := NewSink(SinkConfig{
		Kafka: kafka.Config{Brokers: strings.Split(brokers, ",")}, Serde: schemas.NewLocalSerde(), Conn: conn, Lanes: 2,
		MaxRows: 3000, Interval: 50 * time.Millisecond, SessionTimeout: session, InstanceID: os.Getenv(childInstance),
	})
	if err != nil {
		return err
	}
	if err := s.Run(ctx); err != nil {
		return err
	}
	var rows, ids uint64
	err = conn.QueryRow(context.Background(), "SELECT count(), uniqExact(event_id) FROM events").Scan(&rows, &ids)
	if err != nil {
		return err
	}
	sums, err := tableSums(context.Background(), conn)
	if err != nil {
		return err
	}
	fmt.Println("rows", rows, "ids", ids, sums)
	return nil
}

// TestKilledFiveTimes kills engine and sink at random points of a stream of
// transactions, some of them aborted, and counts what is there in the end.
func TestKilledFiveTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	killFiveTimes(t, cluster(t, 4))
}

func killFiveTimes(t *testing.T, kcfg kafka.Config, env ...string) {
	clickhousetest.Start(t) // Skips where the engine cannot be had.
	const partitions, perTxn, txns = 4, 500, 200
	both := []string{schemas.TopicEvents, schemas.TopicBreakdownDeltas}
	dir := t.TempDir()

	// The writer goes on over all kills.
	written := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := kgo.NewClient(kgo.SeedBrokers(kcfg.Brokers...), kgo.TransactionalID("writer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	go func() { written <- write(ctx, p, partitions, perTxn, txns) }()

	start := func() (*exec.Cmd, io.Closer, *strings.Builder) {
		return startChild(t, append(env, childDir+"="+dir, childBrokers+"="+strings.Join(kcfg.Brokers, ","))...)
	}
	admin, closeAdmin, err := kafka.NewAdmin(kcfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	// done is the number of offsets whose record says that they are in.
	done := func() (sum int64) {
		for _, topic := range both {
			at, err := Done(t.Context(), admin, topic, 2)
			if err != nil {
				continue // A new broker has no coordinator and no group at first.
			}
			for _, offset := range at {
				sum += offset
			}
		}
		return sum
	}
	for kill := range 5 {
		cmd, _, out := start()
		before := done()
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		// Killed at various points once it works, not at a fixed time.
		eventually(t, func() string {
			select {
			case err := <-exited:
				t.Fatalf("the sink ended by itself: %v\n%s", err, out)
			default:
			}
			if done() <= before+int64(kill*997) {
				return "the sink does not move\n" + out.String()
			}
			return ""
		})
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-exited
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	cmd, in, out := start()
	eventually(t, func() string {
		ends, err := admin.ListCommittedOffsets(t.Context(), both...)
		if err != nil {
			t.Fatal(err)
		}
		var end int64
		ends.Each(func(o kadm.ListedOffset) { end += o.Offset })
		if d := done(); d < end {
			return fmt.Sprintf("%d of %d offsets done\n%s", d, end, out)
		}
		return ""
	})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, out)
	}
	want := perTxn * (txns - txns/10)
	sums := deltaSums(func(yield func(int) bool) {
		for n := range txns * deltasPerTxn {
			if !aborted(n/deltasPerTxn) && !yield(n) {
				return
			}
		}
	})
	if got, want := strings.TrimSpace(out.String()), fmt.Sprintf("rows %d ids %d %v", want, want, sums); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func startChild(t *testing.T, env ...string) (*exec.Cmd, io.Closer, *strings.Builder) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	out := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, in, out
}

// deltasPerTxn is how many changes of breakdowns a transaction holds.
const deltasPerTxn = 40

// aborted tells which transactions are.
func aborted(txn int) bool { return txn%10 == 9 }

// write runs transactions of events and of changes of breakdowns.
func write(ctx context.Context, p *kgo.Client, partitions int32, perTxn, txns int) error {
	for txn := range txns {
		if err := p.BeginTransaction(); err != nil {
			return err
		}
		recs := make([]*kgo.Record, perTxn)
		for i := range recs {
			recs[i] = eventRecord(txn*perTxn+i, partitions)
		}
		for i := range deltasPerTxn {
			recs = append(recs, deltaRecord(txn*deltasPerTxn+i, partitions))
		}
		if err := p.ProduceSync(ctx, recs...).FirstErr(); err != nil {
			return err
		}
		if err := p.EndTransaction(ctx, kgo.TransactionEndTry(!aborted(txn))); err != nil {
			return err
		}
		if txn%10 == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(500 * time.Millisecond): // The stream lasts longer than the kills.
			}
		}
	}
	return nil
}
