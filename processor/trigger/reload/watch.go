package reload

import (
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watch begins to watch the folders of the files. Without it the files are still
// looked at every so often.
func (w *Watcher) watch() (changed <-chan struct{}, closeFS func()) {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		w.c.Logger.Warn("can't watch the folders of the rules: changes are noticed later", "after", w.c.Poll, "error", err)
		return nil, func() {}
	}
	w.fs = fs
	w.watchFolders()
	out := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case _, ok := <-fs.Events:
				if !ok {
					return
				}
				select {
				case out <- struct{}{}:
				default: // whoever hears of one looks at all files
				}
			case err, ok := <-fs.Errors:
				if !ok {
					return
				}
				w.c.Logger.Warn("watching the folders of the rules", "error", err)
			}
		}
	}()
	return out, func() {
		_ = fs.Close()
		<-done
	}
}

// watchFolders watches those that are not yet: a folder that is watched already
// is no error, and one that is missing may come.
func (w *Watcher) watchFolders() {
	if w.fs == nil {
		return
	}
	for _, dir := range folders(w.c.Paths) {
		_ = w.fs.Add(dir)
	}
}

// folders are those that files, or what links to them, may appear in: of each
// path, of each file that it matches, and of what that is a link to. A mounted
// ConfigMap is a link to a link in its folder that is replaced.
func folders(paths []string) []string {
	seen := map[string]bool{}
	var list []string
	add := func(dir string) {
		if !seen[dir] {
			seen[dir] = true
			list = append(list, dir)
		}
	}
	for _, path := range paths {
		dir := filepath.Dir(path)
		for strings.ContainsAny(dir, "*?[") {
			dir = filepath.Dir(dir)
		}
		add(dir)
		files, err := filepath.Glob(path)
		if err != nil {
			continue // Load has said so
		}
		for _, file := range files {
			add(filepath.Dir(file))
			if to, err := filepath.EvalSymlinks(file); err == nil {
				add(filepath.Dir(to))
			}
		}
	}
	return list
}
