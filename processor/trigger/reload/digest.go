package reload

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/posthorn/posthorn/processor/trigger"
)

// digest tells what files hold from what they held before.
type digest [sha256.Size]byte

// digestOf is the digest of the files of paths, with their names, and those of
// them that are empty.
func digestOf(paths []string) (d digest, empty []string) {
	h := sha256.New()
	for _, path := range paths {
		files, err := filepath.Glob(path)
		fmt.Fprintf(h, "%q %d %v\n", path, len(files), err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			fmt.Fprintf(h, "%q %d %v\n", file, len(text), err)
			_, _ = h.Write(text)
			if err == nil && len(bytes.TrimSpace(text)) == 0 {
				empty = append(empty, file)
			}
		}
	}
	h.Sum(d[:0])
	return d, empty
}

// changes are the names of rules that differ between two sets.
type changes struct{ added, removed, changed []string }

func compare(before, after *trigger.Set) (c changes) {
	old := map[string]string{}
	for _, r := range before.Rules() {
		old[r.Name] = r.Version
	}
	for _, r := range after.Rules() {
		version, had := old[r.Name]
		switch {
		case !had:
			c.added = append(c.added, r.Name)
		case version != r.Version:
			c.changed = append(c.changed, r.Name)
		}
		delete(old, r.Name)
	}
	for _, r := range before.Rules() {
		if _, gone := old[r.Name]; gone {
			c.removed = append(c.removed, r.Name)
		}
	}
	return c
}
