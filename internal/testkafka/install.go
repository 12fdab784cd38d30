package testkafka

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

//go:embed pom.xml
var pom []byte

// Version returns the version of Apache Kafka that is run.
func Version() string {
	_, after, _ := strings.Cut(string(pom), "<kafka.version>")
	version, _, _ := strings.Cut(after, "<")
	return version
}

//go:embed log4j2.properties
var log4j []byte

var errNoJava = errors.New("no java and mvn in the PATH (Java 17 and Maven are needed)")

// Available tells whether Java is there, and Maven or what it has fetched
// before.
func Available() bool {
	if _, err := exec.LookPath("java"); err != nil {
		return false
	}
	if _, err := exec.LookPath("mvn"); err == nil {
		return true
	}
	in, err := installDir()
	return err == nil && in.complete()
}

// installation is a directory in the user's cache that holds what every node
// needs and nothing that changes:
//
//	libs/*.jar          the broker
//	format/             a formatted, empty disk
//	classes.jsa         the JVM's class archive; it halves the start time
//	log4j2.properties
type installation struct{ dir string }

// install returns the installation, made by the first process that needs it.
func install(ctx context.Context) (installation, error) {
	if !Available() {
		return installation{}, errNoJava
	}
	in, err := installDir()
	if err != nil {
		return installation{}, err
	}
	if err := os.MkdirAll(filepath.Dir(in.dir), 0o755); err != nil {
		return installation{}, err
	}
	unlock, err := lockFile(in.dir + ".lock")
	if err != nil {
		return installation{}, err
	}
	defer unlock()
	if in.complete() {
		return in, nil
	}

	// Made under another name, so that an interrupted one is never used.
	draft := installation{in.dir + ".new"}
	if err := os.RemoveAll(draft.dir); err != nil {
		return installation{}, err
	}
	if err := draft.fetch(ctx); err != nil {
		return installation{}, err
	}
	if err := draft.format(ctx); err != nil {
		return installation{}, err
	}
	if err := os.Rename(draft.dir, in.dir); err != nil {
		return installation{}, err
	}
	if err := in.archiveClasses(ctx); err != nil {
		return installation{}, fmt.Errorf("archiving classes: %w", err)
	}
	return in, nil
}

// installDir names the installation after what it is made from.
func installDir() (installation, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return installation{}, fmt.Errorf("finding the cache directory: %w", err)
	}
	sum := sha256.Sum256(slices.Concat(pom, log4j))
	return installation{filepath.Join(cache, "posthorn", fmt.Sprintf("testkafka-%x", sum[:6]))}, nil
}

func (in installation) complete() bool {
	_, err := os.Stat(in.dir)
	return err == nil
}

func (in installation) fetch(ctx context.Context) error {
	if err := os.MkdirAll(in.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(in.path("pom.xml"), pom, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(in.path("log4j2.properties"), log4j, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=libs")
	cmd.Dir = in.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching Kafka's jars with mvn: %w\n%s", err, out)
	}
	return nil
}

// format keeps an empty disk: formatting one takes a JVM, copying it does not.
// Its contents are the same for every node but for meta.properties.
func (in installation) format(ctx context.Context) error {
	work, err := os.MkdirTemp("", "posthorn-testkafka-format-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	n := node{install: in, dir: work, id: 1, voters: "1@127.0.0.1:1", port: 2, controllerPort: 1, nodes: 1}
	if err := n.writeProperties(); err != nil {
		return err
	}
	cmd := in.java(ctx, work, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.properties())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("formatting Kafka's disk: %w\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(n.data(), "meta.properties")); err != nil {
		return err
	}
	return os.CopyFS(in.path("format"), os.DirFS(n.data()))
}

// archiveClasses lets a broker start once and keeps the classes it loaded. A
// JVM for which the archive does not fit ignores it.
func (in installation) archiveClasses(ctx context.Context) error {
	c, err := startCluster(ctx, in, Options{jvm: []string{"-XX:ArchiveClassesAtExit=" + in.path("classes.jsa")}})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.nodes[0].stop(syscall.SIGTERM)
}

func (in installation) java(ctx context.Context, dir string, args ...string) *exec.Cmd {
	jars, err := filepath.Glob(in.path("libs", "*.jar"))
	if err != nil {
		panic(err) // the pattern is constant
	}
	// Listed and sorted, not a wildcard: the class archive fits one order only.
	slices.Sort(jars)
	args = slices.Concat([]string{
		"-Xms64m", "-Xmx512m",
		// Cheap to start and light on threads; peak throughput is no concern.
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile=" + in.path("log4j2.properties"),
		"-Dkafka.logs.dir=" + dir,
		"-cp", strings.Join(jars, string(os.PathListSeparator)),
	}, args)
	return exec.CommandContext(ctx, "java", args...)
}

func (in installation) path(elem ...string) string {
	return filepath.Join(append([]string{in.dir}, elem...)...)
}

// lockFile waits for an exclusive lock, which the kernel drops when the process
// dies.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
