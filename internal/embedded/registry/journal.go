package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/sr"
)

// entry is a line of the journal: a registration, or a subject's level.
type entry struct {
	Subject string     `json:"subject"`
	Version int        `json:"version,omitempty"`
	ID      int        `json:"id,omitempty"`
	Schema  *sr.Schema `json:"schema,omitempty"`
	Level   string     `json:"compatibility,omitempty"`
}

// journal is a file of entries as JSON lines, each on disk before its append
// returns.
type journal struct{ f *os.File }

// openJournal replays what is there. A last line without its end was never
// answered, so it is cut off.
func openJournal(path string, replay func(entry) error) (*journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{f}
	if err := j.replay(replay); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, syncDir(filepath.Dir(path))
}

func (j *journal) replay(replay func(entry) error) error {
	b, err := io.ReadAll(j.f)
	if err != nil {
		return err
	}
	whole := b[:bytes.LastIndexByte(b, '\n')+1]
	n := 0
	for line := range bytes.Lines(whole) {
		n++
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := replay(e); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return j.cut(int64(len(whole)))
}

func (j *journal) append(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	end, err := j.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err = j.f.Write(append(line, '\n')); err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		// Half a line must not stand before the next one.
		if cut := j.cut(end); cut != nil {
			return fmt.Errorf("%w, and then %w", err, cut)
		}
	}
	return err
}

func (j *journal) cut(end int64) error {
	if err := j.f.Truncate(end); err != nil {
		return err
	}
	_, err := j.f.Seek(end, io.SeekStart)
	return err
}

func (j *journal) close() error { return j.f.Close() }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
