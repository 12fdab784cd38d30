package testkafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/kafka"
)

// clusterID is that of every test cluster; they never meet.
const clusterID = "cG9zdGhvcm4tdGVzdGthZg"

// Options configures a cluster.
type Options struct {
	// Nodes is the number of brokers, each a controller too; the default is 1.
	// With 3 or more, topics can have 3 replicas and transactions survive the
	// loss of a node.
	Nodes int
	// Config is added to the nodes' configuration, such as
	// {"group.consumer.session.timeout.ms": "6000"}.
	Config map[string]string
	// Fronts are further listeners of each node, counted from 1. What one returns
	// for a listener's address is what its clients are told to connect to: a proxy
	// in front of it. A start that is tried again asks again.
	Fronts []func(node int, address string) (front string, err error)
	// Throughput gives the brokers the JVM flags of a server instead of those
	// that start fast and take little: for benchmarks.
	Throughput bool

	jvm []string
}

// throughputJVM overrides what every node is started with.
var throughputJVM = []string{"-Xms1g", "-Xmx2g", "-XX:-UseSerialGC", "-XX:+UseG1GC", "-XX:TieredStopAtLevel=4"}

// Cluster is a running Apache Kafka.
type Cluster struct {
	nodes []*node
	dir   string
	lock  *os.File
}

// StartCluster starts a cluster and returns when it answers. Tests use [Start].
func StartCluster(ctx context.Context, o Options) (*Cluster, error) {
	in, err := install(ctx)
	if err != nil {
		return nil, err
	}
	// Another process may take a port between its choice and its use.
	for attempt := 1; ; attempt++ {
		c, err := startCluster(ctx, in, o)
		if err == nil || attempt == 3 || ctx.Err() != nil {
			return c, err
		}
	}
}

func startCluster(ctx context.Context, in installation, o Options) (*Cluster, error) {
	o.Nodes = max(1, o.Nodes)
	if o.Throughput {
		o.jvm = throughputJVM
	}
	dir, lock, err := makeRunDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, lock: lock}
	ports, err := freePorts((2 + len(o.Fronts)) * o.Nodes)
	if err != nil {
		c.Close()
		return nil, err
	}
	var voters []string
	for i := range o.Nodes {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[o.Nodes+i]))
	}
	for i := range o.Nodes {
		n := &node{
			install: in, jvm: o.jvm, config: o.Config, dir: filepath.Join(dir, fmt.Sprint(i+1)),
			id: i + 1, nodes: o.Nodes, voters: strings.Join(voters, ","),
			port: ports[i], controllerPort: ports[o.Nodes+i],
		}
		c.nodes = append(c.nodes, n)
		for j, front := range o.Fronts {
			f := listener{Name: fmt.Sprintf("FRONT%d", j+1), Address: fmt.Sprintf("127.0.0.1:%d", ports[(2+j)*o.Nodes+i])}
			if f.Advertised, err = front(n.id, f.Address); err != nil {
				c.Close()
				return nil, fmt.Errorf("front of node %d: %w", n.id, err)
			}
			n.fronts = append(n.fronts, f)
		}
		if err := n.prepare(); err != nil {
			c.Close()
			return nil, err
		}
	}
	for _, n := range c.nodes {
		if err := n.start(); err != nil {
			c.Close()
			return nil, err
		}
	}
	if err := c.waitReady(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, c.LogTail())
		c.Close()
		return nil, err
	}
	return c, nil
}

// Brokers returns the addresses of all nodes; they stay the same over restarts.
func (c *Cluster) Brokers() []string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.addr())
	}
	return addrs
}

// PIDs returns the process ids of the nodes that run.
func (c *Cluster) PIDs() []int {
	var pids []int
	for _, n := range c.nodes {
		if n.running() {
			pids = append(pids, n.cmd.Process.Pid)
		}
	}
	return pids
}

// Kill9 kills the given nodes, counted from 1, or all of them, without giving
// them a chance to write anything.
func (c *Cluster) Kill9(nodes ...int) error {
	return c.each(nodes, func(n *node) error { return n.stop(syscall.SIGKILL) })
}

// Pause freezes the given nodes, counted from 1, or all of them: their
// connections stay open and nobody answers. Resume lets them go on.
func (c *Cluster) Pause(nodes ...int) error {
	return c.each(nodes, func(n *node) error { return n.signal(syscall.SIGSTOP) })
}

// Resume lets nodes go on that were paused.
func (c *Cluster) Resume(nodes ...int) error {
	return c.each(nodes, func(n *node) error { return n.signal(syscall.SIGCONT) })
}

// Restart starts the given nodes, counted from 1, or all of them, on their old
// addresses and data, and returns when the cluster answers. Nodes that still
// run are shut down in order first.
func (c *Cluster) Restart(ctx context.Context, nodes ...int) error {
	if err := c.each(nodes, func(n *node) error { return n.stop(syscall.SIGTERM) }); err != nil {
		return err
	}
	if err := c.each(nodes, (*node).start); err != nil {
		return err
	}
	if err := c.waitReady(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, c.LogTail())
	}
	return nil
}

func (c *Cluster) each(ids []int, f func(*node) error) error {
	var errs []error
	for _, n := range c.nodes {
		chosen := len(ids) == 0
		for _, id := range ids {
			chosen = chosen || id == n.id
		}
		if chosen {
			errs = append(errs, f(n))
		}
	}
	return errors.Join(errs...)
}

// Close kills the nodes and deletes their data.
func (c *Cluster) Close() error {
	err := c.Kill9()
	err = errors.Join(err, os.RemoveAll(c.dir))
	return errors.Join(err, c.lock.Close())
}

// LogTail returns the end of each node's log.
func (c *Cluster) LogTail() string {
	var b strings.Builder
	for _, n := range c.nodes {
		fmt.Fprintf(&b, "node %d:\n%s", n.id, n.logTail())
	}
	return b.String()
}

// waitReady waits until all running nodes are known to the controller.
func (c *Cluster) waitReady(ctx context.Context) error {
	want := 0
	for _, n := range c.nodes {
		if n.running() {
			want++
		}
	}
	cl, err := kafka.NewConsumer(kafka.Config{Brokers: c.Brokers(), ClientID: "testkafka"})
	if err != nil {
		return err
	}
	defer cl.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, n := range c.nodes {
			if n.exited() {
				return fmt.Errorf("node %d exited: %w", n.id, n.waitErr())
			}
		}
		// A plain request: the admin client answers from its cache.
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{}
		m, err := req.RequestWith(ctx, cl)
		if err == nil && len(m.Brokers) >= want && m.ControllerID >= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for Kafka to answer: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// freePorts returns ports that nobody listens on at the moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close() // only at the end, or the next one might be the same
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
