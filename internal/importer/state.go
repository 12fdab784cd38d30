package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// state is how far a file is imported into one gateway's source.
type state struct {
	Path   string
	Passed int64 // events, good ones or not
	Result
}

// place is where the state is kept: by the file's content, and where it goes.
func (i *importing) place() string {
	to := sha256.Sum256([]byte(i.URL + "\x00" + i.Token))
	return filepath.Join(i.StateDir, i.digest+"-"+hex.EncodeToString(to[:8])+".json")
}

func (i *importing) load() error {
	text, err := os.ReadFile(i.place())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading how far the import is: %w", err)
	}
	if err := json.Unmarshal(text, &i.state); err != nil {
		return fmt.Errorf("reading how far the import is: %s: %w; remove it to begin again, which counts nothing twice", i.place(), err)
	}
	return nil
}

// save replaces the state whole. A crash of the machine may lose the last one: the
// chunks behind are then sent again, and counted once.
func (i *importing) save() error {
	i.state.Path = i.path
	text, err := json.Marshal(i.state)
	if err == nil {
		err = os.MkdirAll(i.StateDir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(i.place()+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(i.place()+".new", i.place())
	}
	if err != nil {
		return fmt.Errorf("keeping how far the import is: %w", err)
	}
	return nil
}

// forget removes the state of a file that is done.
func (i *importing) forget() error {
	if err := os.Remove(i.place()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing how far the import was: %w", err)
	}
	return nil
}
