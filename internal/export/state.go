package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"time"
)

// state is how far an export is. It stands beside the file.
type state struct {
	Wanted wanted `json:"wanted"`
	// Since and Until are what the wanted times meant when the export began.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until"`
	// Begun says that what comes before the first row is written.
	Begun bool `json:"begun"`
	// Bytes of the file count; what is behind them is a chunk that was broken off.
	Bytes int64 `json:"bytes"`
	// Files are whole, where each chunk is a file.
	Files  int    `json:"files"`
	Rows   int64  `json:"rows"`
	Passed int64  `json:"passed"`
	Cursor cursor `json:"cursor"`
	Done   bool   `json:"done"`
}

// wanted is what must be the same for an export to go on.
type wanted struct {
	Table    string   `json:"table"`
	Format   string   `json:"format"`
	Tenant   string   `json:"tenant,omitempty"`
	Campaign string   `json:"campaign,omitempty"`
	Columns  []string `json:"columns,omitempty"`
	Asked    string   `json:"asked,omitempty"`
}

// cursor is where the next chunk begins: in time, behind a key, or at an offset.
type cursor struct {
	// At is the time, and Width is how long the last slice was, in microseconds.
	At    int64 `json:"at,omitempty"`
	Width int64 `json:"width,omitempty"`
	// Key is that of the last row written.
	Key []string `json:"key,omitempty"`
	// Next are the offsets, and Ends those where the export ends, by partition.
	Next map[int32]int64 `json:"next,omitempty"`
	Ends map[int32]int64 `json:"ends,omitempty"`
}

func (c *Config) wanted() wanted {
	return wanted{c.Table, c.Format, c.Tenant, c.Campaign, c.Columns, c.Asked}
}

// loadState reads the state of an export that was broken off, or makes a new one.
func loadState(path string, cfg *Config) (st *state, found bool, err error) {
	st = &state{Wanted: cfg.wanted(), Since: cfg.Since, Until: cfg.Until}
	if path == "" || cfg.Restart {
		return st, false, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return st, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading how far the export is: %w", err)
	}
	old := new(state)
	if err := json.Unmarshal(text, old); err != nil {
		return nil, false, fmt.Errorf("reading how far the export is: %s: %w; --resume=false begins again", path, err)
	}
	if !reflect.DeepEqual(old.Wanted, st.Wanted) {
		return nil, false, fmt.Errorf("%s is of an export with other options (%s): give the same, name another file, or begin again with --resume=false", path, old.Wanted)
	}
	cfg.Since, cfg.Until = old.Since, old.Until
	return old, true, nil
}

func (w wanted) String() string {
	text, _ := json.Marshal(w) // strings alone: never fails
	return string(text)
}

// save replaces the state whole, and on the disk: the file was synced before, so that
// the state never counts bytes that are not there.
func (s *state) save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keeping how far the export is: %w", err)
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keeping how far the export is: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("keeping how far the export is: %w", err)
	}
	return nil
}
