package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// output is where chunks go: behind each other into one file, into a file each, or
// to standard output.
type output struct {
	st     *state
	stdout io.Writer // instead of a file, where set
	path   string    // of the file, or what the names of files begin with
	ext    string    // of those
	folder bool      // each chunk is a file
	f      *os.File
}

// chunkFile is what a chunk is written to. It remembers that writing failed, to tell
// that from a failure to read.
type chunkFile struct {
	*os.File
	failed error
}

func (c *chunkFile) Write(b []byte) (int, error) {
	n, err := c.File.Write(b)
	if err != nil {
		c.failed = cannotWrite(err)
		return n, c.failed
	}
	return n, nil
}

// cannotWrite says what to do about a file that can't be written.
func cannotWrite(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk is full: make room, then run the export again: %w", err)
	}
	return fmt.Errorf("writing: %w", err)
}

// openOutput finds out where the export goes and how far it is there.
func openOutput(cfg *Config) (*output, *state, error) {
	o := &output{ext: "." + cfg.Format}
	info, err := os.Stat(cfg.Out)
	isFolder := err == nil && info.IsDir() || strings.HasSuffix(cfg.Out, string(filepath.Separator))
	switch {
	case cfg.Out == "-":
		o.stdout = cfg.Stdout
	case isFolder:
		if err := os.MkdirAll(cfg.Out, 0o755); err != nil {
			return nil, nil, fmt.Errorf("making folder: %w", err)
		}
		o.folder = cfg.Format == Parquet
		o.path = filepath.Join(cfg.Out, cfg.Table)
		if !o.folder {
			o.path += o.ext
		}
	default:
		o.path = cfg.Out
	}
	st, found, err := loadState(o.statePath(), cfg)
	if err != nil {
		return nil, nil, err
	}
	o.st = st
	if !found {
		if err := o.free(); err != nil {
			return nil, nil, err
		}
	}
	return o, st, nil
}

// free refuses to write over an export that is whole.
func (o *output) free() error {
	if o.stdout != nil {
		return nil
	}
	taken := o.path
	if o.folder {
		taken = o.name(0)
	}
	if _, err := os.Stat(taken); err == nil {
		return fmt.Errorf("%s exists: remove it or name another with --out", taken)
	}
	return nil
}

func (o *output) statePath() string {
	if o.stdout != nil {
		return ""
	}
	return o.path + ".state"
}

// name is that of the n-th file of a folder.
func (o *output) name(n int) string { return fmt.Sprintf("%s-%05d%s", o.path, n, o.ext) }

func (o *output) part() string {
	if o.folder {
		return o.name(o.st.Files) + ".part"
	}
	return o.path + ".part"
}

// chunk gives the file, cut to what counts of it and positioned there.
func (o *output) chunk() (*chunkFile, error) {
	if o.f == nil {
		f, err := o.open()
		if err != nil {
			return nil, fmt.Errorf("opening the file of the export: %w", err)
		}
		o.f = f
	}
	info, err := o.f.Stat()
	if err == nil && info.Size() < o.st.Bytes {
		err = fmt.Errorf("%s has %d bytes and not the %d written: somebody has cut it; --resume=false begins again", o.f.Name(), info.Size(), o.st.Bytes)
	}
	if err == nil && info.Size() > o.st.Bytes {
		err = o.f.Truncate(o.st.Bytes)
	}
	if err == nil {
		_, err = o.f.Seek(o.st.Bytes, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("cutting the file of the export: %w", err)
	}
	return &chunkFile{File: o.f}, nil
}

func (o *output) open() (*os.File, error) {
	if o.stdout != nil {
		// Only whole chunks go out: one that failed in its middle is written again.
		return os.CreateTemp("", "posthorn-export-")
	}
	// Suppressions and links hold what is nobody else's business.
	f, err := os.OpenFile(o.part(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("another export writes %s: wait for it, or name another file", f.Name()), f.Close())
	}
	return f, nil // a file system without locks is none the worse
}

// commit makes the chunk count.
func (o *output) commit(f *chunkFile) error {
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if o.stdout != nil {
		return o.pass(f, size)
	}
	if err := f.Sync(); err != nil {
		return cannotWrite(err)
	}
	if !o.folder {
		o.st.Bytes = size
		return o.st.save(o.statePath())
	}
	if size > 0 {
		if err := o.next(); err != nil {
			return err
		}
	}
	return o.st.save(o.statePath())
}

// next gives the file of a chunk its name. Between here and the saving of the state a
// kill is no harm: the chunk is then written again under the same name.
func (o *output) next() error {
	err := errors.Join(o.f.Close(), os.Rename(o.part(), o.name(o.st.Files)))
	o.f = nil
	if err != nil {
		return fmt.Errorf("finishing a file: %w", err)
	}
	o.st.Files++
	return nil
}

// pass copies the chunk to standard output.
func (o *output) pass(f *chunkFile, size int64) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if _, err := io.CopyN(o.stdout, f.File, size); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// finish gives the file its name and removes the state.
func (o *output) finish() error {
	if o.stdout != nil {
		return nil
	}
	var err error
	if o.f != nil {
		err = o.f.Close()
		o.f = nil
	}
	if !o.folder {
		err = errors.Join(err, os.Rename(o.part(), o.path))
	} else if gone := os.Remove(o.part()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err == nil {
		err = os.Remove(o.statePath())
	}
	if err != nil {
		return fmt.Errorf("finishing the export: %w", err)
	}
	return nil
}

func (o *output) files() (names []string) {
	switch {
	case o.stdout != nil:
	case !o.folder:
		names = []string{o.path}
	default:
		for n := range o.st.Files {
			names = append(names, o.name(n))
		}
	}
	return names
}

// close releases what is open; of standard output also the file between.
func (o *output) close() {
	if o.f == nil {
		return
	}
	_ = o.f.Close() // what counts was synced
	if o.stdout != nil {
		_ = os.Remove(o.f.Name())
	}
}
