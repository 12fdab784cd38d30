package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// engine is one of those compared.
type engine struct {
	name string
	// counts is the topic that the windows are read from.
	counts  func(run) string
	command func(ctx context.Context, r run) (*exec.Cmd, error)
}

// profileDir is where runs of Posthorn leave CPU profiles; "" for none.
var profileDir string

func posthorn() engine {
	return engine{"posthorn", run.counts, func(ctx context.Context, r run) (*exec.Cmd, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		r.Profile = profileDir
		spec, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
		return cmd, nil
	}}
}

// kafkaStreams runs Kafka Streams with a number of threads and megabytes of
// cache for its stores.
func kafkaStreams(threads, cacheMB int) engine {
	return engine{"kafka streams", run.counts, func(ctx context.Context, r run) (*exec.Cmd, error) {
		dir, err := buildKafkaStreams(ctx)
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, "java", "-Xms2g", "-Xmx2g", "-XX:+UseG1GC",
			"-cp", filepath.Join(dir, "target/classes")+":"+filepath.Join(dir, "target/libs/*"), "posthorn.bench.Job",
			r.Brokers, r.Input, r.Name, r.Dir, strconv.FormatInt(r.Commit.Milliseconds(), 10),
			strconv.Itoa(threads), strconv.Itoa(cacheMB<<20)), nil
	}}
}

func goka() engine {
	return engine{"goka", func(r run) string { return r.Name + "-windows-table" }, func(ctx context.Context, r run) (*exec.Cmd, error) {
		bin, err := buildGoka(ctx)
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, bin, "-brokers", r.Brokers, "-input", r.Input, "-name", r.Name,
			"-dir", r.Dir, "-commit", r.Commit.String()), nil
	}}
}

//go:embed kafkastreams
var kafkaStreamsSource embed.FS

// buildKafkaStreams compiles the Java part in the user's cache, in a directory
// named after its source, and returns that.
func buildKafkaStreams(ctx context.Context) (string, error) {
	source, err := fs.Sub(kafkaStreamsSource, "kafkastreams")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	err = fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(source, path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(b), b)
		return err
	})
	if err != nil {
		return "", err
	}
	dir, err := cacheDir(fmt.Sprintf("enginebench-java-%x", sum.Sum(nil)[:6]))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Under another name first, so that an interrupted build is never used.
	draft, err := os.MkdirTemp(filepath.Dir(dir), "enginebench-java-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(draft)
	if err := os.CopyFS(draft, source); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "compile",
		"dependency:copy-dependencies", "-DoutputDirectory=target/libs", "-DincludeScope=runtime")
	cmd.Dir = draft
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the Kafka Streams job with mvn: %w\n%s", err, out)
	}
	if err := os.Rename(draft, dir); err != nil {
		if _, e := os.Stat(dir); e != nil {
			return "", err // not because another process was first
		}
	}
	return dir, nil
}

// buildGoka compiles the goka part, a module of its own beside this package.
func buildGoka(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module (run inside it): %w", err)
	}
	bin, err := cacheDir("enginebench-goka")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join(strings.TrimSpace(string(root)), "internal", "enginebench", "goka")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the goka job: %w\n%s", err, out)
	}
	return bin, nil
}

func cacheDir(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "posthorn")
	return filepath.Join(dir, name), os.MkdirAll(dir, 0o755)
}
