package clickhouse

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// unpack takes the library out of the archive. It appears under its name only
// when it is whole, on disk, and has the pinned checksum.
func (f *fetcher) unpack(ctx context.Context, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	members := tar.NewReader(unzipped)
	for {
		header, err := members.Next()
		if err == io.EOF {
			return fmt.Errorf("unpacking: the archive holds no %s", f.member)
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		if header.Name == f.member && header.Typeflag == tar.TypeReg {
			return f.place(ctx, members)
		}
	}
}

func (f *fetcher) place(ctx context.Context, from io.Reader) (err error) {
	// One name, not a random one: what a killed process left is overwritten.
	// The lock keeps others away.
	part := f.library() + ".part"
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, sum), io.LimitReader(&cancellable{ctx, from}, f.librarySize+1))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); size != f.librarySize || got != f.librarySHA256 {
		return fmt.Errorf("unpacking: the library has checksum %s, not the pinned %s", got, f.librarySHA256)
	}
	if err := os.Rename(part, f.library()); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	return f.writeStamp()
}

// cancellable ends reading when its context ends.
type cancellable struct {
	ctx  context.Context
	from io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.from.Read(p)
}
