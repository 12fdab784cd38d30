package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// A compaction rewrites partitions in place: a crash in between would lose
// them. So it runs at start only, before anybody can connect, after a clean
// stop, and with a backup that costs next to no space: segments are linked,
// since a rewrite makes new files. While "backup" exists it is the truth, and a
// start that finds it goes back to it.

// compactAbove is the size, in bytes, of compacted topics from which on
// compaction is worth its time: a restore reads that much in a second or so.
const compactAbove = 64 << 20

// compactIfLarge compacts when compacted topics have doubled since the last
// time.
func compactIfLarge(ctx context.Context, d directory, log *logger) error {
	size, err := compactableBytes(d.data())
	if err != nil {
		return fmt.Errorf("measuring compacted topics: %w", err)
	}
	last, err := d.readInt("compacted")
	if err != nil {
		return err
	}
	if size < max(compactAbove, 2*last) || ctx.Err() != nil {
		return ctx.Err()
	}
	log.log.Info("embedded kafka: compacting", "bytes", size)
	if err := compact(d, log); err != nil {
		return fmt.Errorf("compacting: %w", err)
	}
	if size, err = compactableBytes(d.data()); err != nil {
		return err
	}
	log.log.Info("embedded kafka: compacted", "bytes", size)
	return d.write("compacted", strconv.FormatInt(size, 10))
}

func compact(d directory, log *logger) error {
	if err := d.makeBackup(); err != nil {
		return err
	}
	log.failed.Store(false)
	// On a port that nobody knows.
	c, err := kfake.NewCluster(options(d, 0, log)...)
	if err != nil {
		return err
	}
	c.Compact()
	c.Close()
	if log.failed.Load() {
		return errors.New("kfake reported an error; the next start restores the backup")
	}
	if err := syncTree(d.data()); err != nil {
		return err
	}
	return d.dropBackup()
}

// compactableBytes is the size of the segments of compacted topics.
func compactableBytes(data string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(data, "topics.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	compacted, err := compactedTopics(b)
	if err != nil {
		return 0, err
	}
	var size int64
	err = filepath.WalkDir(filepath.Join(data, "partitions"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".dat" {
			return err
		}
		dir := filepath.Base(filepath.Dir(path)) // topic-partition
		topic, err := url.PathUnescape(dir[:max(0, strings.LastIndexByte(dir, '-'))])
		if err != nil || !compacted[topic] {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return size, err
}

// compactedTopics reads kfake's list of topics.
func compactedTopics(topicsJSON []byte) (map[string]bool, error) {
	var list struct {
		Topics []struct {
			Name    string            `json:"name"`
			Configs map[string]string `json:"configs"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(topicsJSON, &list); err != nil {
		return nil, fmt.Errorf("reading the list of topics: %w", err)
	}
	compacted := map[string]bool{}
	for _, t := range list.Topics {
		compacted[t.Name] = strings.Contains(t.Configs["cleanup.policy"], "compact")
	}
	return compacted, nil
}

// makeBackup makes "backup", complete from the moment it has this name.
func (d directory) makeBackup() error {
	draft := d.path("backup.new")
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := cloneTree(d.data(), draft); err != nil {
		return fmt.Errorf("making a backup: %w", err)
	}
	if err := syncTree(draft); err != nil {
		return err
	}
	if err := os.Rename(draft, d.path("backup")); err != nil {
		return err
	}
	return syncFile(string(d))
}

// dropBackup ends the backup's validity in one step and then removes it.
func (d directory) dropBackup() error {
	old := d.path("backup.old")
	if err := os.Rename(d.path("backup"), old); err != nil {
		return err
	}
	if err := syncFile(string(d)); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// restoreBackup goes back to the backup of a compaction that did not end.
func (d directory) restoreBackup() error {
	for _, half := range []string{"backup.new", "backup.old"} {
		if err := os.RemoveAll(d.path(half)); err != nil {
			return err
		}
	}
	there, err := d.has("backup")
	if err != nil || !there {
		return err
	}
	if err := os.RemoveAll(d.data()); err != nil {
		return fmt.Errorf("restoring the backup: %w", err)
	}
	if err := os.Rename(d.path("backup"), d.data()); err != nil {
		return fmt.Errorf("restoring the backup: %w", err)
	}
	return syncFile(string(d))
}

// cloneTree links segments and copies everything else, which may be changed in
// place.
func cloneTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o755)
		case filepath.Ext(path) == ".dat":
			return os.Link(path, target)
		default:
			return copyFile(path, target)
		}
	})
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	return dst.Close()
}

func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFile(path)
	})
}
