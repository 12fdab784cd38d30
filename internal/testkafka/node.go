package testkafka

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/template"

	"github.com/google/uuid"
)

// node is one broker process, a controller too.
type node struct {
	install              installation
	jvm                  []string
	config               map[string]string
	dir                  string
	id, nodes            int
	voters               string
	port, controllerPort int
	fronts               []listener

	cmd  *exec.Cmd
	done chan struct{} // closed once the process has ended; nil before a start
	err  error         // how it ended; read it after done
}

// listener is one of Options.Fronts on a node.
type listener struct{ Name, Address, Advertised string }

func (n *node) addr() string       { return fmt.Sprintf("127.0.0.1:%d", n.port) }
func (n *node) data() string       { return filepath.Join(n.dir, "data") }
func (n *node) properties() string { return filepath.Join(n.dir, "server.properties") }
func (n *node) log() string        { return filepath.Join(n.dir, "kafka.log") }

// prepare lays out a formatted, empty disk.
func (n *node) prepare() error {
	if err := n.writeProperties(); err != nil {
		return err
	}
	if err := os.CopyFS(n.data(), os.DirFS(n.install.path("format"))); err != nil {
		return fmt.Errorf("copying the formatted disk: %w", err)
	}
	id := uuid.New()
	meta := fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n",
		clusterID, n.id, base64.RawURLEncoding.EncodeToString(id[:]))
	return os.WriteFile(filepath.Join(n.data(), "meta.properties"), []byte(meta), 0o644)
}

func (n *node) writeProperties() error {
	if err := os.MkdirAll(n.data(), 0o755); err != nil {
		return err
	}
	f, err := os.Create(n.properties())
	if err != nil {
		return err
	}
	defer f.Close()
	err = serverProperties.Execute(f, map[string]any{
		"ID": n.id, "Voters": n.voters, "Port": n.port, "ControllerPort": n.controllerPort, "Fronts": n.fronts, "Data": n.data(),
		"Replicas": min(3, n.nodes), "InSync": min(2, n.nodes),
		"Config": n.config,
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", n.properties(), err)
	}
	return f.Close()
}

// start starts the process, which dies with this one.
func (n *node) start() error {
	out, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	jvm := n.jvm
	if jvm == nil {
		jvm = []string{"-XX:SharedArchiveFile=" + n.install.path("classes.jsa"), "-Xlog:disable", "-Xlog:all=error:stderr"}
	}
	n.cmd = n.install.java(context.Background(), n.dir, slices.Concat(jvm, []string{"kafka.Kafka", n.properties()})...)
	n.cmd.Stdout, n.cmd.Stderr = out, out
	n.cmd.SysProcAttr = dieWithParent()
	done := make(chan struct{})
	n.done = done
	started := make(chan error)
	go func() {
		// The kernel counts the thread that started a process as its parent: it
		// must live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := n.cmd.Start(); err != nil {
			started <- fmt.Errorf("starting java: %w", err)
			return
		}
		started <- nil
		n.err = n.cmd.Wait()
		close(done)
	}()
	if err := <-started; err != nil {
		n.done = nil
		return err
	}
	return nil
}

// stop sends a signal, if the process runs, and waits for its end.
func (n *node) stop(sig syscall.Signal) error {
	if !n.running() {
		n.done = nil
		return nil
	}
	if err := n.cmd.Process.Signal(sig); err != nil && n.running() {
		return fmt.Errorf("stopping node %d: %w", n.id, err)
	}
	<-n.done
	n.done = nil
	return nil
}

func (n *node) signal(sig syscall.Signal) error {
	if !n.running() {
		return fmt.Errorf("node %d does not run", n.id)
	}
	if err := n.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("sending %s to node %d: %w", sig, n.id, err)
	}
	return nil
}

// running tells whether the process was started and neither stopped nor ended.
func (n *node) running() bool { return n.done != nil && !n.exited() }

// exited tells whether the process ended though nobody stopped it.
func (n *node) exited() bool {
	if n.done == nil {
		return false
	}
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

func (n *node) waitErr() error { return n.err }

func (n *node) logTail() []byte {
	const limit = 4096
	b, err := os.ReadFile(n.log())
	if err != nil {
		return []byte(err.Error() + "\n")
	}
	return b[max(0, len(b)-limit):]
}

var serverProperties = template.Must(template.New("server.properties").Parse(`
process.roles=broker,controller
node.id={{.ID}}
controller.quorum.voters={{.Voters}}
listeners=PLAINTEXT://127.0.0.1:{{.Port}},CONTROLLER://127.0.0.1:{{.ControllerPort}}{{range .Fronts}},{{.Name}}://{{.Address}}{{end}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{.Port}}{{range .Fronts}},{{.Name}}://{{.Advertised}}{{end}}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{{range .Fronts}},{{.Name}}:PLAINTEXT{{end}}
log.dirs={{.Data}}
auto.create.topics.enable=false
default.replication.factor={{.Replicas}}
min.insync.replicas={{.InSync}}
offsets.topic.replication.factor={{.Replicas}}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={{.Replicas}}
transaction.state.log.min.isr={{.InSync}}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={{.Replicas}}
share.coordinator.state.topic.min.isr={{.InSync}}
# Room for the largest webhook.
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
# Tests do not wait for members that will not come, nor for the dead.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=200
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Small machines.
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=33554432
log.cleaner.backoff.ms=1000
{{range $name, $value := .Config}}{{$name}}={{$value}}
{{end}}`))
