package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets
var embedded embed.FS

// files are those of the pages.
type files struct {
	// version is that of all files together: it is in their paths, so that a
	// browser keeps them for ever and never mixes two versions.
	version string
	index   *file
	byPath  map[string]*file
}

// file is one with its compressed form, which is made once.
type file struct {
	kind, etag    string
	plain, packed []byte
}

var load = sync.OnceValue(func() *files {
	f := &files{byPath: map[string]*file{}}
	sum := sha256.New()
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
		f.byPath[strings.TrimPrefix(name, "assets/")] = newFile(name, content)
		return nil
	})
	if err != nil {
		panic(err) // The files are in the binary.
	}
	f.version = hex.EncodeToString(sum.Sum(nil)[:8])
	page := bytes.ReplaceAll(f.byPath["index.html"].plain, []byte("VERSION"), []byte(f.version))
	f.index = newFile("index.html", page)
	delete(f.byPath, "index.html")
	return f
})

func newFile(name string, content []byte) *file {
	sum := sha256.Sum256(content)
	f := &file{etag: `"` + hex.EncodeToString(sum[:8]) + `"`, plain: content}
	switch path.Ext(name) {
	case ".js":
		f.kind = "text/javascript; charset=utf-8"
	case ".css":
		f.kind = "text/css; charset=utf-8"
	case ".html":
		f.kind = "text/html; charset=utf-8"
	case ".svg":
		f.kind = "image/svg+xml"
	default:
		f.kind = "text/plain; charset=utf-8" // licences
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // The level is one.
	_, _ = z.Write(content)                               // A buffer takes everything.
	_ = z.Close()
	f.packed = b.Bytes()
	return f
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", f.etag)
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // The caller went away.
	}
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(quality), "q="), 64); err == nil && q == 0 {
			continue
		}
		if name == "gzip" {
			return true
		}
	}
	return false
}
