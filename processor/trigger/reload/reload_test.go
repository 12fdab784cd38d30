package reload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/processor/trigger/reload"
)

// rules is a file of rules of these names; what follows a colon is the endpoint.
func rules(names ...string) string {
	text := "rules:\n"
	for _, n := range names {
		name, call, called := strings.Cut(n, ":")
		text += fmt.Sprintf("  - name: %s\n    within: {event: opened, of: send, duration: 24h}\n", name)
		if called {
			text += "    call: " + call + "\n"
		}
	}
	return text
}

// world is a Watcher that runs.
type world struct {
	*testing.T
	dir  string
	live *trigger.Live
	w    *reload.Watcher
	reg  *prometheus.Registry
	log  *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// quiet is far longer than what writes in a row take, and no wait for a person.
const quiet = 50 * time.Millisecond

func start(t *testing.T, dir string, poll time.Duration, paths ...string) *world {
	t.Helper()
	x := &world{T: t, dir: dir, live: &trigger.Live{}, reg: prometheus.NewRegistry(), log: &logBuffer{}}
	for i, p := range paths {
		paths[i] = filepath.Join(dir, p)
	}
	var err error
	x.w, err = reload.Load(reload.Config{
		Paths: paths, Live: x.live, Poll: poll, Quiet: quiet, Registerer: x.reg,
		Logger: slog.New(slog.NewTextHandler(x.log, nil)),
		Check: func(s *trigger.Set) error {
			for _, r := range s.Rules() {
				if r.Call == "nobody" {
					return errors.New("endpoint nobody is not configured")
				}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- x.w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return x
}

func (x *world) write(name, text string) {
	x.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
		x.Fatal(err)
	}
}

func (x *world) inForce() (names []string) {
	for _, r := range x.live.Load().Rules() {
		names = append(names, r.Name)
	}
	return names
}

// await polls until something is so.
func (x *world) await(what string, so func() bool) {
	x.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			x.Fatalf("waited for %s in vain: %v in force, %+v\n%s", what, x.inForce(), x.w.Status(), x.log)
		case <-tick.C:
		}
	}
}

func (x *world) awaitRules(names ...string) {
	x.Helper()
	x.await(fmt.Sprintf("rules %v", names), func() bool { return slices.Equal(x.inForce(), names) })
}

func (x *world) awaitProblem(text string) {
	x.Helper()
	x.await("a problem with "+text, func() bool { return strings.Contains(x.w.Status().Problem, text) })
}

func (x *world) failed() float64 {
	x.Helper()
	families, err := x.reg.Gather()
	if err != nil {
		x.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "posthorn_rules_reload_failed" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	x.Fatal("no posthorn_rules_reload_failed")
	return 0
}

// never is a poll that does not come: only what the file system tells is heard.
const never = time.Hour

func TestWrittenInPlace(t *testing.T) {
	x := start(t, seed(t, "rules.yaml", rules("a", "b")), never, "rules.yaml")
	x.write("rules.yaml", strings.Replace(rules("b", "c"), "24h", "48h", 1)) // b means something else
	x.awaitRules("b", "c")
	x.await("a line in the log", func() bool {
		return strings.Contains(x.log.String(), "rules=2 added=[c] removed=[a] changed=[b]")
	})
	if n := strings.Count(x.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, x.log)
	}
}

func seed(t *testing.T, name, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// As editors and careful programs do.
func TestRenamedOver(t *testing.T) {
	x := start(t, seed(t, "rules.yaml", rules("a")), never, "rules.yaml")
	for _, name := range []string{"b", "c"} { // twice: the file that was watched first is gone
		x.write(".rules.yaml.swp", rules(name))
		if err := os.Rename(filepath.Join(x.dir, ".rules.yaml.swp"), filepath.Join(x.dir, "rules.yaml")); err != nil {
			t.Fatal(err)
		}
		x.awaitRules(name)
	}
}

// As Kubernetes updates what it mounts of a ConfigMap: rules.yaml is a link into
// ..data, which is a link to a folder and is replaced.
func TestConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := func(n int, names ...string) {
		t.Helper()
		folder := fmt.Sprintf("..version%d", n)
		for _, err := range []error{
			os.Mkdir(filepath.Join(dir, folder), 0o700),
			os.WriteFile(filepath.Join(dir, folder, "rules.yaml"), []byte(rules(names...)), 0o600),
			os.Symlink(folder, filepath.Join(dir, "..data_tmp")),
			os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	version(1, "a")
	if err := os.Symlink(filepath.Join("..data", "rules.yaml"), filepath.Join(dir, "rules.yaml")); err != nil {
		t.Fatal(err)
	}
	x := start(t, dir, never, "rules.yaml")
	x.awaitRules("a")
	version(2, "b")
	x.awaitRules("b")
	if err := os.RemoveAll(filepath.Join(dir, "..version1")); err != nil {
		t.Fatal(err)
	}
	version(3, "c")
	x.awaitRules("c")
}

// A link to a file elsewhere, which is written to there.
func TestLinkToAFolderElsewhere(t *testing.T) {
	elsewhere := seed(t, "real.yaml", rules("a"))
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(elsewhere, "real.yaml"), filepath.Join(dir, "rules.yaml")); err != nil {
		t.Fatal(err)
	}
	x := start(t, dir, never, "rules.yaml")
	if err := os.WriteFile(filepath.Join(elsewhere, "real.yaml"), []byte(rules("b")), 0o600); err != nil {
		t.Fatal(err)
	}
	x.awaitRules("b")
}

func TestFilesThatComeAndGo(t *testing.T) {
	x := start(t, seed(t, "a.yaml", rules("a")), never, "*.yaml")
	x.write("b.yaml", rules("b"))
	x.awaitRules("a", "b")
	if err := os.Remove(filepath.Join(x.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	x.awaitRules("b")
	if err := os.Remove(filepath.Join(x.dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	x.awaitProblem("no such file") // not one rule less
	x.awaitRules("b")
}

func TestMistakesKeepTheRules(t *testing.T) {
	x := start(t, seed(t, "rules.yaml", rules("a")), never, "rules.yaml")
	for _, c := range []struct{ text, problem string }{
		{rules("b", "c") + "  - name: d\n    within: {event: opn", "rules.yaml"}, // cut off
		{rules("b") + "  - name: d\n    within: {event: opned, of: send, duration: 24h}\n", "opned"},
		{rules("b", "b"), "rule at"},
		{rules("b:nobody"), "endpoint nobody"},
		{"", "is empty, and held rule a"},
	} {
		x.write("rules.yaml", c.text)
		x.awaitProblem(c.problem)
		if ok, detail := x.w.Check(); !ok || !strings.Contains(detail, c.problem) || !slices.Equal(x.inForce(), []string{"a"}) || x.failed() != 1 {
			t.Errorf("%s: %v in force, failed %v, ready %t: %s", c.problem, x.inForce(), x.failed(), ok, detail)
		}
		if n := strings.Count(x.log.String(), c.problem); n != 1 {
			t.Errorf("%s: %d times in the log:\n%s", c.problem, n, x.log)
		}
	}
	x.write("rules.yaml", "rules: []\n")
	x.awaitRules()
	if s := x.w.Status(); s.Problem != "" || x.failed() != 0 {
		t.Errorf("still %+v", s)
	}
}

// A file that is written piece by piece is read when it is whole, though its
// beginning is valid by itself.
func TestWrittenPieceByPiece(t *testing.T) {
	x := start(t, seed(t, "rules.yaml", rules("a", "b", "c")), never, "rules.yaml")
	f, err := os.OpenFile(filepath.Join(x.dir, "rules.yaml"), os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, piece := range strings.SplitAfter(rules("d", "e", "f"), "\n") {
		if _, err := f.WriteString(piece); err != nil {
			t.Fatal(err)
		}
		if got := x.inForce(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Fatalf("%v in force", got)
		}
	}
	x.awaitRules("d", "e", "f")
	if got := strings.Count(x.log.String(), "\n"); got != 1 {
		t.Errorf("%d lines in the log:\n%s", got, x.log)
	}
}

// A folder that is replaced is not the one that was watched: only a look tells.
func TestPolls(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	put := func(name string) {
		t.Helper()
		if err := errors.Join(os.Mkdir(sub, 0o700), os.WriteFile(filepath.Join(sub, "rules.yaml"), []byte(rules(name)), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	x := start(t, dir, 10*time.Millisecond, filepath.Join("sub", "rules.yaml"))
	if err := os.RemoveAll(sub); err != nil {
		t.Fatal(err)
	}
	x.awaitProblem("no such file")
	put("b")
	x.awaitRules("b")
	x.write(filepath.Join("sub", "rules.yaml"), rules("c"))
	x.awaitRules("c")
}

func TestReloadOnRequest(t *testing.T) {
	x := start(t, seed(t, "rules.yaml", rules("a")), never, "rules.yaml")
	x.w.Reload()
	x.await("a line in the log", func() bool { return strings.Contains(x.log.String(), "rules reloaded") })
	if n := strings.Count(x.log.String(), "\n"); n != 1 || x.failed() != 0 {
		t.Errorf("%d lines in the log:\n%s", n, x.log)
	}
}

func TestLoadRefusesMistakes(t *testing.T) {
	for text, problem := range map[string]string{"rules: [{name: a}]\n": "a", rules("a:nobody"): "endpoint nobody"} {
		dir := seed(t, "rules.yaml", text)
		live := &trigger.Live{}
		_, err := reload.Load(reload.Config{
			Paths: []string{filepath.Join(dir, "rules.yaml")}, Live: live, Logger: slog.New(slog.DiscardHandler),
			Check: func(*trigger.Set) error { return errors.New("endpoint nobody is not configured") },
		})
		if err == nil || !strings.Contains(err.Error(), problem) || len(live.Load().Rules()) != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}
