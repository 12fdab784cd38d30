package stream

import "github.com/cockroachdb/pebble/v2/vfs"

// unreserved is a file system that reserves no space for what is yet to be
// written. Pebble reserves more than a whole memtable for each of its logs, so
// that a sync need not write the file's size; but memtables begin small, a
// dozen logs may stand at a time, and here nothing is synced: a few megabytes of
// state would take half a gigabyte of the disk.
type unreserved struct{ vfs.FS }

func (u unreserved) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := u.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return unreservedFile{f}, nil
}

func (u unreserved) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := u.FS.ReuseForWrite(from, to, category)
	if err != nil {
		return nil, err
	}
	return unreservedFile{f}, nil
}

type unreservedFile struct{ vfs.File }

func (unreservedFile) Preallocate(int64, int64) error { return nil }
