package ingest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthorn/posthorn/ingest/spool"
	"github.com/posthorn/posthorn/internal/kafka"
)

// The environment by which this test runs a gateway to be killed.
const (
	killedBrokers = "POSTHORN_TEST_KILLED_BROKERS"
	killedSpool   = "POSTHORN_TEST_KILLED_SPOOL"
)

// TestGatewayToBeKilled is that gateway.
func TestGatewayToBeKilled(t *testing.T) {
	if os.Getenv(killedBrokers) == "" {
		t.Skip("only run by TestKilledWithASpool")
	}
	t.Fatal(serveUntilKilled())
}

func serveUntilKilled() error {
	s, err := spool.Open(spool.Config{Dir: os.Getenv(killedSpool), SegmentBytes: 64 << 10})
	if err != nil {
		return err
	}
	p, err := kafka.NewProducer(kafka.Config{Brokers: strings.Split(os.Getenv(killedBrokers), ",")})
	if err != nil {
		return err
	}
	g, err := New(Config{Sources: sources, Producer: p, Serde: serde, Spool: s, SpoolAfter: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	return g.Serve(context.Background(), l)
}

// process is a gateway in a process of its own.
type process struct {
	*exec.Cmd
	base string
}

func startProcess(t *testing.T, brokers []string, dir string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], "-test.run=^TestGatewayToBeKilled$")}
	p.Env = append(os.Environ(), killedBrokers+"="+strings.Join(brokers, ","), killedSpool+"="+dir)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	if lines.Scan(); !strings.HasPrefix(lines.Text(), "http://") {
		t.Fatalf("the gateway says %q", lines.Text())
	}
	p.base = lines.Text()
	return p
}

func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// TestKilledWithASpool kills gateways again and again under load while Kafka
// takes webhooks and does not in turn. All that was answered 200 is in Kafka in
// the end.
func TestKilledWithASpool(t *testing.T) {
	c := cluster(t)
	dir := t.TempDir()
	var mu sync.Mutex
	acked := map[string]bool{}
	for round := range 6 {
		takes := func() {}
		if round%2 == 1 {
			takes = refuse(c, kerr.NotEnoughReplicas.Code)
		}
		p := startProcess(t, c.ListenAddrs(), dir)
		enough := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		before := len(acked)
		for w := range 16 {
			wg.Go(func() {
				for i := 0; ; i++ {
					body := fmt.Sprintf("%d/%d/%d", round, w, i)
					resp, err := http.Post(p.base+"/v1/webhooks/open", "", strings.NewReader(body))
					if err != nil {
						return // killed
					}
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Errorf("round %d: status %d", round, resp.StatusCode)
						return
					}
					mu.Lock()
					acked[body] = true
					if len(acked)-before == 300 {
						once.Do(func() { close(enough) })
					}
					mu.Unlock()
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Error("no 300 webhooks within a minute")
		}
		p.kill()
		wg.Wait()
		takes()
	}
	s := openSpool(t, spool.Config{Dir: dir})
	st := s.Stats()
	t.Logf("%d answered 200 over 6 kills, %d of them left in the spool by the last", len(acked), st.Records)
	if st.DamagedBytes != 0 || st.Records < 200 {
		t.Errorf("%+v", st)
	}
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.Spool = s })
	_, stop, done := serve(t, g)
	until(t, "the spool is empty", s.Empty)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := bodies(t, c)
	for body := range acked {
		if got[body] == 0 {
			t.Errorf("%s was answered 200 and is not stored", body)
		}
	}
}
