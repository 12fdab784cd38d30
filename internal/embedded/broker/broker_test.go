package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/embedded/broker"
	"github.com/posthorn/posthorn/internal/kafka"
)

// childDir has the test binary run a broker instead of tests, to be killed.
const childDir = "POSTHORN_TEST_BROKER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		b, err := broker.Start(context.Background(), broker.Config{Dir: dir})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(b.Addrs()[0])
		bufio.NewReader(os.Stdin).ReadString('\n') // until the parent is gone
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// startChild starts a broker in a process of its own; kill kills it.
func startChild(t *testing.T, dir string) (cfg kafka.Config, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			cmd.Process.Kill()
			cmd.Wait()
			stdin.Close()
		}
	}
	t.Cleanup(kill)
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the child did not start")
	}
	return kafka.Config{Brokers: []string{strings.TrimSpace(addr)}}, kill
}

func start(t *testing.T, dir string) *broker.Broker {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func timeout(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	tb.Cleanup(cancel)
	return ctx
}

func createTopic(tb testing.TB, cfg kafka.Config, topic string, configs map[string]string) {
	tb.Helper()
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	defer closeAdmin()
	set := map[string]*string{}
	for k, v := range configs {
		set[k] = kadm.StringPtr(v)
	}
	if _, err := adm.CreateTopic(timeout(tb), 3, 1, set, topic); err != nil {
		tb.Fatal(err)
	}
}

func produce(tb testing.TB, cfg kafka.Config, recs ...*kgo.Record) {
	tb.Helper()
	p, err := kafka.NewProducer(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	defer p.Close()
	if err := p.ProduceSync(timeout(tb), recs...).FirstErr(); err != nil {
		tb.Fatal(err)
	}
}

func consume(tb testing.TB, cfg kafka.Config, topic string, n int) []*kgo.Record {
	tb.Helper()
	c, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(topic))
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	var recs []*kgo.Record
	for len(recs) < n {
		fs := c.PollFetches(timeout(tb))
		if err := fs.Err(); err != nil {
			tb.Fatalf("after %d of %d records: %v", len(recs), n, err)
		}
		recs = append(recs, fs.Records()...)
	}
	return recs
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cfg := kafka.Config{Brokers: b.Addrs()}
	if b.Epoch() != 1 || b.Unclean() {
		t.Errorf("first start: epoch %d, unclean %v", b.Epoch(), b.Unclean())
	}
	createTopic(t, cfg, "t", nil)
	produce(t, cfg, &kgo.Record{Topic: "t", Value: []byte("v")})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	again := start(t, dir)
	if again.Epoch() != 2 || again.Unclean() {
		t.Errorf("second start: epoch %d, unclean %v", again.Epoch(), again.Unclean())
	}
	if again.Addrs()[0] != b.Addrs()[0] {
		t.Errorf("moved from %v to %v", b.Addrs(), again.Addrs())
	}
	consume(t, cfg, "t", 1)
}

func TestDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	_, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d", os.Getpid())) {
		t.Errorf("second start: %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	b := start(t, dir)
	port := b.Addrs()[0][strings.LastIndexByte(b.Addrs()[0], ':')+1:]
	if err := os.WriteFile(other+"/port", []byte(port), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := broker.Start(t.Context(), broker.Config{Dir: other})
	if err == nil || !strings.Contains(err.Error(), "another process has it now") {
		t.Errorf("start on a port in use: %v", err)
	}
	b.Close()
	if again := start(t, other); again.Unclean() {
		t.Error("a start that never ran left the directory unclean")
	}
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	const kills, each = 3, 5000
	for k := range kills {
		cfg, kill := startChild(t, dir)
		if k == 0 {
			createTopic(t, cfg, "t", nil)
		}
		recs := make([]*kgo.Record, each)
		for i := range recs {
			recs[i] = &kgo.Record{Topic: "t", Value: fmt.Append(make([]byte, 0, 300), k, i)}
		}
		produce(t, cfg, recs...)
		kill()
	}
	b := start(t, dir)
	if !b.Unclean() || b.Epoch() != kills+1 {
		t.Errorf("after %d kills: unclean %v, epoch %d", kills, b.Unclean(), b.Epoch())
	}
	seen := map[string]bool{}
	for _, r := range consume(t, kafka.Config{Brokers: b.Addrs()}, "t", kills*each) {
		seen[string(r.Value)] = true
	}
	if len(seen) != kills*each {
		t.Errorf("%d distinct records, want %d", len(seen), kills*each)
	}
}

// A transaction that is open when the broker dies is aborted, and those of the
// next epoch are seen.
func TestTransactionsOverKills(t *testing.T) {
	dir := t.TempDir()
	ctx := timeout(t)
	const rounds = 3
	for round := range rounds {
		cfg, kill := startChild(t, dir)
		if round == 0 {
			createTopic(t, cfg, "in", nil)
			createTopic(t, cfg, "out", nil)
		}
		produce(t, cfg, &kgo.Record{Topic: "in", Value: fmt.Append(nil, round)})
		s, err := kafka.NewTransactional(cfg, kafka.TxnConfig{
			Group: "g", Topic: "in", InstanceID: "i", TransactionalID: fmt.Sprintf("stage-i-%d", round+1),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Client().ProducerID(ctx); err != nil {
			t.Fatal(err)
		}
		recs := s.PollFetches(ctx).Records()
		if len(recs) != 1 || string(recs[0].Value) != fmt.Sprint(round) {
			t.Fatalf("round %d: read %d records", round, len(recs))
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		s.Produce(ctx, &kgo.Record{Topic: "out", Value: fmt.Append(nil, "committed", round)}, nil)
		if ok, err := s.End(ctx, kgo.TryCommit); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		if err := s.Client().ProduceSync(ctx, &kgo.Record{Topic: "out", Value: []byte("open")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		kill()
		s.Close()
	}
	b := start(t, dir)
	cfg := kafka.Config{Brokers: b.Addrs()}
	produce(t, cfg, &kgo.Record{Topic: "out", Partition: 0, Value: []byte("last")})
	for _, r := range consume(t, cfg, "out", rounds+1) {
		if string(r.Value) == "open" {
			t.Error("a record of an open transaction is visible")
		}
	}
}

func TestLogAppendTime(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cfg := kafka.Config{Brokers: b.Addrs()}
	createTopic(t, cfg, "t", map[string]string{"message.timestamp.type": "LogAppendTime"})
	createTopic(t, cfg, "created", nil)
	before := time.Now().Truncate(time.Millisecond)
	var recs []*kgo.Record
	for i := range 100 { // one batch, with differences
		at := before.Add(time.Duration(i-200) * 20 * time.Millisecond)
		recs = append(recs, &kgo.Record{Topic: "t", Key: []byte("k"), Value: fmt.Append(nil, i), Timestamp: at},
			&kgo.Record{Topic: "created", Key: []byte("k"), Value: fmt.Append(nil, i), Timestamp: at})
	}
	produce(t, cfg, recs...)
	produce(t, cfg, &kgo.Record{Topic: "t", Key: []byte("k"), Value: []byte("100"), Timestamp: before.Add(-time.Second)})
	after := time.Now()

	b.Close() // what is stored must be sound, too
	start(t, dir)
	for i, r := range consume(t, cfg, "t", 101) {
		if r.Timestamp.Before(before) || r.Timestamp.After(after) {
			t.Fatalf("record %d has timestamp %v, want the time of writing, %v to %v", i, r.Timestamp, before, after)
		}
		if string(r.Key) != "k" || string(r.Value) != fmt.Sprint(i) {
			t.Fatalf("record %d is %s=%s", i, r.Key, r.Value)
		}
	}
	if r := consume(t, cfg, "created", 100)[0]; !r.Timestamp.Equal(recs[0].Timestamp) {
		t.Errorf("another topic's record has timestamp %v, want its own, %v", r.Timestamp, recs[0].Timestamp)
	}
}

func TestLargestRecord(t *testing.T) {
	b := start(t, t.TempDir())
	cfg := kafka.Config{Brokers: b.Addrs()}
	createTopic(t, cfg, "t", nil)
	produce(t, cfg, &kgo.Record{Topic: "t", Value: make([]byte, kafka.MaxRecordBytes-1024)})
}

// BenchmarkMillion measures a million records of 300 bytes in and out:
//
//	go test -bench Million -benchtime 1x
func BenchmarkMillion(b *testing.B) {
	br, err := broker.Start(b.Context(), broker.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer br.Close()
	cfg := kafka.Config{Brokers: br.Addrs()}
	createTopic(b, cfg, "t", nil)
	const n = 1_000_000
	value := []byte(strings.Repeat("0123456789abcdefghijklmnopqrst", 10))
	for b.Loop() {
		p, err := kafka.NewProducer(cfg)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for range n {
			p.Produce(b.Context(), &kgo.Record{Topic: "t", Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					b.Error(err)
				}
			})
		}
		if err := p.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(n/time.Since(began).Seconds(), "in/s")
		p.Close()
		began = time.Now()
		consume(b, cfg, "t", n)
		b.ReportMetric(n/time.Since(began).Seconds(), "out/s")
	}
}
