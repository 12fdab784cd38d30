package clickhouse

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shop serves an archive made for the test.
type shop struct {
	release
	archive  []byte
	library  []byte
	requests atomic.Int64
	resumed  atomic.Int64
	answer   http.HandlerFunc // instead of the archive
	server   *httptest.Server
}

func newShop(t *testing.T) *shop {
	t.Helper()
	library := make([]byte, 300_000)
	random := rand.NewChaCha8([32]byte{7})
	if _, err := random.Read(library); err != nil {
		t.Fatal(err)
	}
	s := &shop{library: library}
	s.archive = pack(t, "package/libchdb.so", library)
	librarySum, archiveSum := sha256.Sum256(library), sha512.Sum512(s.archive)
	s.release = release{
		name: "library", version: "1", member: "package/libchdb.so",
		archiveSize: int64(len(s.archive)), archiveSHA512: base64.StdEncoding.EncodeToString(archiveSum[:]),
		librarySize: int64(len(library)), librarySHA256: hex.EncodeToString(librarySum[:]),
	}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if r.Header.Get("Range") != "" {
			s.resumed.Add(1)
		}
		if s.answer != nil {
			s.answer(w, r)
			return
		}
		http.ServeContent(w, r, "archive.tgz", time.Time{}, bytes.NewReader(s.archive))
	}))
	t.Cleanup(s.server.Close)
	return s
}

func pack(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	members := tar.NewWriter(zipped)
	for _, member := range []struct {
		name string
		data []byte
	}{{"package/package.json", []byte("{}")}, {name, data}} {
		if err := members.WriteHeader(&tar.Header{Name: member.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(member.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := members.Write(member.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(members.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (s *shop) fetcher(dir string) *fetcher {
	return &fetcher{
		FetchConfig: FetchConfig{
			Client: s.server.Client(), Logger: slog.New(slog.DiscardHandler),
			Resolve: func(context.Context, string, string) (string, error) { return s.server.URL + "/archive.tgz", nil },
		},
		release: s.release, dir: dir, attempts: 4, pause: time.Millisecond, stall: 10 * time.Second,
	}
}

func (s *shop) check(t *testing.T, path string) {
	t.Helper()
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, s.library) {
		t.Errorf("the library has %d bytes, error %v", len(data), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.part"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}

func TestFetchOnceAndFromTheCache(t *testing.T) {
	s, dir := newShop(t), t.TempDir()
	f := s.fetcher(dir)
	var last, total int64
	f.Progress = func(done, all int64) { last, total = done, all }
	for range 3 {
		path, err := f.fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.check(t, path)
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	if last != s.archiveSize || total != s.archiveSize {
		t.Errorf("the progress ended at %d of %d", last, total)
	}
}

func TestFetchResumes(t *testing.T) {
	s, dir := newShop(t), t.TempDir()
	// Each answer breaks off: only resuming comes to an end.
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(&breaking{ResponseWriter: w, left: len(s.archive) / 3}, r, "archive.tgz", time.Time{}, bytes.NewReader(s.archive))
	}
	path, err := s.fetcher(dir).fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, path)
	if n := s.resumed.Load(); n < 2 {
		t.Errorf("resumed %d times", n)
	}
}

// breaking ends the connection after some bytes.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) > b.left {
		_, _ = b.ResponseWriter.Write(p[:b.left])
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}

func TestFetchGoesOnAfterAnInterruption(t *testing.T) {
	for name, begun := range map[string]func(s *shop) []byte{
		"a good beginning":  func(s *shop) []byte { return s.archive[:1000] },
		"all of it":         func(s *shop) []byte { return s.archive },
		"a wrong beginning": func(*shop) []byte { return make([]byte, 1000) },
		"too much":          func(s *shop) []byte { return append(bytes.Clone(s.archive), 1, 2, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newShop(t), t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "archive.tgz.part"), begun(s), 0o644); err != nil {
				t.Fatal(err)
			}
			path, err := s.fetcher(dir).fetch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.check(t, path)
		})
	}
}

func TestFetchWithoutRanges(t *testing.T) {
	s, dir := newShop(t), t.TempDir()
	s.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.archive) }
	if err := os.WriteFile(filepath.Join(dir, "archive.tgz.part"), make([]byte, 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := s.fetcher(dir).fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, path)
}

func TestFetchRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, s *shop)
		want   string
	}{
		"a corrupted archive": {func(_ *testing.T, s *shop) {
			bad := bytes.Clone(s.archive)
			bad[len(bad)/2] ^= 1
			s.archive = bad
		}, "not the pinned sha512"},
		"a larger archive": {func(_ *testing.T, s *shop) { s.archive = append(bytes.Clone(s.archive), 0) }, "larger than"},
		"another library": {func(t *testing.T, s *shop) {
			other := bytes.Clone(s.library)
			other[0] ^= 1
			repin(s, pack(t, s.member, other))
		}, "the library has checksum"},
		"an archive without the library": {func(t *testing.T, s *shop) { repin(s, pack(t, "package/other", s.library)) }, "holds no"},
		"not an archive":                 {func(_ *testing.T, s *shop) { repin(s, []byte("hello")) }, "unpacking"},
		"not found": {func(_ *testing.T, s *shop) {
			s.answer = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }
		}, "404"},
		"a server that fails": {func(_ *testing.T, s *shop) {
			s.answer = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }
		}, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newShop(t), t.TempDir()
			test.change(t, s)
			_, err := s.fetcher(dir).fetch(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q in it", err, test.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "libchdb.so")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a library is there: %v", err)
			}
		})
	}
}

// repin makes another archive the expected one.
func repin(s *shop, archive []byte) {
	sum := sha512.Sum512(archive)
	s.archive, s.archiveSize, s.archiveSHA512 = archive, int64(len(archive)), base64.StdEncoding.EncodeToString(sum[:])
}

func TestFetchReplacesAChangedLibrary(t *testing.T) {
	s, dir := newShop(t), t.TempDir()
	f := s.fetcher(dir)
	path, err := f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(s.library)
	changed[5] ^= 1
	if err := os.WriteFile(path, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if path, err = f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, path)
	// A copy without a stamp is taken if its checksum is right.
	if err := os.Remove(f.stampFile()); err != nil {
		t.Fatal(err)
	}
	before := s.requests.Load()
	if _, err := f.fetch(t.Context()); err != nil || s.requests.Load() != before {
		t.Errorf("%d requests for a good copy, error %v", s.requests.Load()-before, err)
	}
}

func TestFetchInParallel(t *testing.T) {
	s, dir := newShop(t), t.TempDir()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			path, err := s.fetcher(dir).fetch(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			s.check(t, path)
		})
	}
	wait.Wait()
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestFetchStallsAndIsCancelled(t *testing.T) {
	s, dir := newShop(t), t.TempDir()
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	f := s.fetcher(dir)
	f.stall, f.attempts = 20*time.Millisecond, 2
	if _, err := f.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing came") {
		t.Errorf("a server that says nothing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.stall = time.Hour
	f.Resolve = func(context.Context, string, string) (string, error) { cancel(); return s.server.URL, nil }
	if _, err := f.fetch(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFetchOffline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.so")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(LibraryVariable, file)
	if path, err := Fetch(t.Context(), FetchConfig{}); err != nil || path != file {
		t.Errorf("got %q, error %v", path, err)
	}
	for _, wrong := range []string{file + ".absent", filepath.Dir(file)} {
		t.Setenv(LibraryVariable, wrong)
		if _, err := Fetch(t.Context(), FetchConfig{}); err == nil || !strings.Contains(err.Error(), LibraryVariable) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestFetchWithoutNPM(t *testing.T) {
	if supported() != nil {
		t.Skip("no embedded ClickHouse on this platform")
	}
	t.Setenv(LibraryVariable, "")
	t.Setenv("PATH", t.TempDir())
	_, err := Fetch(t.Context(), FetchConfig{CacheDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	for _, want := range []string{"npm", LibraryVariable, "--clickhouse DSN"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}

func TestNPMIsAsked(t *testing.T) {
	for _, test := range []struct{ script, want, fails string }{
		{`echo "https://example.com/$2.tgz"`, "https://example.com/lib@1.tgz", ""},
		{`echo "not an address"`, "", "not an address"},
		{`echo "no such package" >&2; exit 1`, "", "no such package"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir)
		got, err := npm(t.Context(), "lib", "1")
		if got != test.want || (test.fails == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: got %q, error %v", test.script, got, err)
		}
	}
}

func TestCredentialsAreNotLogged(t *testing.T) {
	if got := cleanURL("https://me:secret@example.com/a@b"); got != "https://example.com/a@b" {
		t.Errorf("got %s", got)
	}
}
