package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// LibraryVariable names the environment variable that points at a libchdb.so
// to use as it is: nothing is fetched then.
const LibraryVariable = "POSTHORN_CHDB"

// FetchConfig says where to keep the library. The zero value is fine.
type FetchConfig struct {
	CacheDir string                  // "" is posthorn in the user's cache directory
	Progress func(done, total int64) // bytes of the download; may be nil
	Resolve  Resolver                // nil asks npm
	Client   *http.Client            // nil is http.DefaultClient
	Logger   *slog.Logger            // nil is slog.Default()
}

// Resolver gives the address of a package's archive.
type Resolver func(ctx context.Context, name, version string) (url string, err error)

// release pins what is fetched: nothing else is ever opened.
type release struct {
	name, version string // of the npm package
	archiveSize   int64
	archiveSHA512 string // base64, as npm writes integrity
	member        string // the library in the archive
	librarySize   int64
	librarySHA256 string // hex
}

var pinned = release{
	name: "@chdb/lib-linux-x64-gnu", version: "26.7.3-stable.1",
	archiveSize:   177_817_999,
	archiveSHA512: "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
	member:        "package/libchdb.so",
	librarySize:   566_330_096,
	librarySHA256: "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
}

// Fetch returns the path of libchdb.so: the file POSTHORN_CHDB names, else the
// one in the cache, which it downloads if need be (178 MB, 566 MB unpacked).
// An interrupted download goes on where it stopped. Several processes may call
// it at once: one downloads, the others wait.
func Fetch(ctx context.Context, config FetchConfig) (string, error) {
	if path := os.Getenv(LibraryVariable); path != "" {
		if info, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("finding the ClickHouse library named by %s: %w", LibraryVariable, err)
		} else if !info.Mode().IsRegular() {
			return "", fmt.Errorf("%s=%s is not a file: it must name a libchdb.so of version %s", LibraryVariable, path, libraryVersion)
		}
		return filepath.Abs(path)
	}
	if err := supported(); err != nil {
		return "", err
	}
	if config.CacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding a cache directory for the ClickHouse library (or set %s to a file): %w", LibraryVariable, err)
		}
		config.CacheDir = filepath.Join(user, "posthorn")
	}
	if config.Resolve == nil {
		config.Resolve = npm
	}
	if config.Client == nil {
		config.Client = http.DefaultClient
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	f := &fetcher{
		FetchConfig: config, release: pinned, dir: filepath.Join(config.CacheDir, "chdb-"+libraryVersion),
		attempts: 6, pause: time.Second, stall: time.Minute,
	}
	path, err := f.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("fetching the ClickHouse library (without a download: set %s to a libchdb.so %s, or use --clickhouse DSN): %w",
			LibraryVariable, libraryVersion, err)
	}
	return path, nil
}

type fetcher struct {
	FetchConfig
	release
	dir      string
	attempts int           // of a download that stops
	pause    time.Duration // before the second attempt; doubles
	stall    time.Duration // without a byte ends an attempt
}

func (f *fetcher) library() string { return filepath.Join(f.dir, "libchdb.so") }

func (f *fetcher) fetch(ctx context.Context) (string, error) {
	if f.verified() {
		return f.library(), nil
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if f.verified() { // another process was faster
		return f.library(), nil
	}
	if err := f.verify(); err == nil {
		return f.library(), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		f.Logger.Warn("replacing the cached ClickHouse library", "file", f.library(), "reason", err)
	}
	archive := filepath.Join(f.dir, "archive.tgz.part")
	if err := f.download(ctx, archive); err != nil {
		return "", err
	}
	if err := f.unpack(ctx, archive); err != nil {
		return "", err
	}
	if err := os.Remove(archive); err != nil {
		return "", fmt.Errorf("clearing the download: %w", err)
	}
	return f.library(), nil
}

// lock makes sure that one process at a time fills the cache.
func (f *fetcher) lock(ctx context.Context) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(f.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	for {
		err := lockFile(file, false)
		if err == nil {
			return func() { _ = file.Close() }, nil // nothing was written to it
		}
		if !errors.Is(err, errLocked) {
			return nil, errors.Join(err, file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for another process's download: %w", ctx.Err()), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// stamp describes the library as it was when its checksum was found right:
// hashing 566 MB at every start would take a second.
func (f *fetcher) stamp() (string, error) {
	info, err := os.Stat(f.library())
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() != f.librarySize {
		return "", fmt.Errorf("%s has %d bytes, not %d", f.library(), info.Size(), f.librarySize)
	}
	return fmt.Sprintf("sha256 %s size %d mtime %d\n", f.librarySHA256, info.Size(), info.ModTime().UnixNano()), nil
}

func (f *fetcher) stampFile() string { return f.library() + ".verified" }

func (f *fetcher) verified() bool {
	stamp, err := f.stamp()
	if err != nil {
		return false
	}
	noted, err := os.ReadFile(f.stampFile())
	return err == nil && string(noted) == stamp
}

// verify hashes the library in the cache and stamps it.
func (f *fetcher) verify() error {
	if _, err := f.stamp(); err != nil {
		return err
	}
	file, err := os.Open(f.library())
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return fmt.Errorf("reading %s: %w", f.library(), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.librarySHA256 {
		return fmt.Errorf("%s has checksum %s, not %s", f.library(), got, f.librarySHA256)
	}
	return f.writeStamp()
}

func (f *fetcher) writeStamp() error {
	stamp, err := f.stamp()
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.stampFile(), []byte(stamp), 0o644); err != nil {
		return fmt.Errorf("noting the checksum: %w", err)
	}
	return nil
}

// cleanURL shows an address without credentials.
func cleanURL(url string) string {
	if scheme, rest, ok := strings.Cut(url, "://"); ok {
		if at := strings.LastIndexByte(strings.SplitN(rest, "/", 2)[0], '@'); at >= 0 {
			return scheme + "://" + rest[at+1:]
		}
	}
	return url
}
